//! SHA-256 (FIPS 180-4), for the one number that a page has by it.

/// The first 32 bits behind the point of a root of a prime.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "those are the bits that are wanted"
)]
fn bits(root: f64) -> u32 {
    (root.fract() * 2_f64.powi(32)) as u32
}

fn primes() -> impl Iterator<Item = f64> {
    let prime = |n: &u32| (2..*n).all(|d| !n.is_multiple_of(d));
    (2..).filter(prime).map(f64::from)
}

fn sha256(message: &[u8]) -> Vec<u8> {
    let constants: Vec<u32> = primes().take(64).map(|p| bits(p.cbrt())).collect();
    let mut hash: Vec<u32> = primes().take(8).map(|p| bits(p.sqrt())).collect();
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    let length = u64::try_from(message.len()).unwrap() * 8;
    padded.extend(length.to_be_bytes());
    for block in padded.chunks(64) {
        let words = block.chunks(4);
        let mut w: Vec<u32> = words
            .map(|b| u32::from_be_bytes(b.try_into().unwrap()))
            .collect();
        for t in 16..64 {
            let s0 = w[t - 15].rotate_right(7) ^ w[t - 15].rotate_right(18) ^ (w[t - 15] >> 3);
            let s1 = w[t - 2].rotate_right(17) ^ w[t - 2].rotate_right(19) ^ (w[t - 2] >> 10);
            let sum = s1.wrapping_add(w[t - 7]).wrapping_add(s0);
            w.push(sum.wrapping_add(w[t - 16]));
        }
        let mut v = hash.clone();
        for (word, constant) in w.iter().zip(&constants) {
            let (a, e) = (v[0], v[4]);
            let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let t1 = v[7]
                .wrapping_add(s1)
                .wrapping_add((e & v[5]) ^ (!e & v[6]))
                .wrapping_add(*constant)
                .wrapping_add(*word);
            let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let t2 = s0.wrapping_add((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
            v.rotate_right(1);
            v[0] = t1.wrapping_add(t2);
            v[4] = v[4].wrapping_add(t1);
        }
        for (total, value) in hash.iter_mut().zip(v) {
            *total = total.wrapping_add(value);
        }
    }
    hash.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// As a Content-Security-Policy names it: in base64.
pub(super) fn named(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut name = "sha256-".to_owned();
    for bytes in sha256(text.as_bytes()).chunks(3) {
        let mut whole = [0; 4];
        whole[1..=bytes.len()].copy_from_slice(bytes);
        let whole = u32::from_be_bytes(whole);
        for at in 0..4 {
            let digit = usize::try_from(whole >> (18 - 6 * at) & 63).unwrap();
            name.push(match at <= bytes.len() {
                true => char::from(DIGITS[digit]),
                false => '=',
            });
        }
    }
    name
}

#[test]
fn hashes_are_those_of_the_standard() {
    let hex = |text: &str| -> String {
        let hash = sha256(text.as_bytes());
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    assert_eq!(
        hex("abc"),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(
        hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    );
}
