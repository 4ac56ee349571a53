//! Names that people mistype.

/// Letters that may be wrong in a name for it to be taken as meant: one in three, and one at
/// least.
fn tolerance(name: &str) -> usize {
    (name.chars().count() / 3).max(1)
}

/// `, did you mean "…"?` if one of `known` is close to `name`, or nothing.
pub(super) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!(", did you mean {near:?}?"))
}

/// Which of `known` is nearest to `name`, if any is near enough to be meant.
fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A name that is far too long resembles none, and would cost time to compare.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let name = plain(name);
    known
        .into_iter()
        .map(|known| (distance(&name, &plain(known)), known))
        .filter(|(distance, _)| *distance <= tolerance(&name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Insertions, removals, replacements and swaps of neighbours that make `b` of `a`: the optimal
/// string alignment distance (Boytsov, "Indexing methods for approximate dictionary searching",
/// 2011, section 2.1).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_found_and_nothing_else() {
        let known = [
            "clients",
            "connections",
            "rate",
            "spacing",
            "rooms_per_user",
        ];
        let near = |name| nearest(name, known);
        assert_eq!(near("conections"), Some("connections"));
        assert_eq!(near("cleints"), Some("clients"), "a swap is one mistake");
        assert_eq!(near("Rate"), Some("rate"));
        assert_eq!(near("rooms-per-user"), Some("rooms_per_user"));
        assert_eq!(near("rat"), Some("rate"));
        assert_eq!(near("users"), None);
        assert_eq!(near(""), None);
        assert_eq!(near(&"rate".repeat(100)), None);
    }

    #[test]
    fn mistakes_are_counted() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("same", "same"), 0);
    }
}
