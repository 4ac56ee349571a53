//! `[population]`: who is there before the load begins.

use crate::suite::bounds::{EXPONENT, MAX_MEMBERSHIPS, POPULATION, PREFILL};
use crate::suite::document::{Item, Wrong};
use crate::suite::workload::{Popularity, Population};

/// The exponent of `"latest"`.
const LATEST: f64 = 1.0;

impl Population {
    /// What stands for the population of a recording until it is read.
    pub(in crate::suite) fn of_recording() -> Population {
        Population {
            users: 1,
            rooms: 1,
            rooms_per_user: 1,
            room_sizes: Popularity::Uniform,
            popularity: Popularity::Uniform,
            prefill: 0,
        }
    }
}

pub(super) fn population(item: &Item<'_>) -> Result<Population, Wrong> {
    let table = item.table("a table, as [population] with users, rooms and rooms_per_user")?;
    table.only(&[
        "users",
        "rooms",
        "rooms_per_user",
        "room_sizes",
        "popularity",
        "prefill",
    ])?;
    let users = table.need("users", "users = 100")?.places(POPULATION, "")?;
    let rooms = table.need("rooms", "rooms = 20")?.places(POPULATION, "")?;
    let each = table.need("rooms_per_user", "rooms_per_user = 3")?;
    let rooms_per_user = each.places(POPULATION, "")?;
    if rooms_per_user > rooms {
        return Err(each.wrong(format!(
            "a user cannot be a member of {rooms_per_user} rooms when there are {rooms}"
        )));
    }
    let memberships = users.saturating_mul(rooms_per_user);
    if memberships < rooms {
        return Err(each.wrong(format!(
            "{users} users in {rooms_per_user} rooms each leave some of {rooms} rooms empty"
        )));
    }
    if memberships > MAX_MEMBERSHIPS {
        return Err(each.wrong(format!(
            "{users} users in {rooms_per_user} rooms each are {memberships} memberships: at most \
             {MAX_MEMBERSHIPS}, for each is a write before the load begins"
        )));
    }
    let room_sizes = match table.get("room_sizes") {
        Some(item) => match popularity(&item, rooms)? {
            Popularity::Latest(_) => {
                return Err(item.wrong(
                    "room_sizes says who is a member where before anything is sent, so it \
                     cannot be latest: \"uniform\", { zipf = 1.0 } or \
                     { hot = { rooms = 1, share = 0.9 } }",
                ));
            }
            sizes => sizes,
        },
        None => Popularity::default(),
    };
    Ok(Population {
        users,
        rooms,
        rooms_per_user,
        room_sizes,
        popularity: match table.get("popularity") {
            Some(item) => popularity(&item, rooms)?,
            None => Popularity::default(),
        },
        prefill: match table.get("prefill") {
            Some(item) => item.places(PREFILL, " messages in each room")?,
            None => 0,
        },
    })
}

fn popularity(item: &Item<'_>, rooms: usize) -> Result<Popularity, Wrong> {
    const FORMS: &str = "\"uniform\", { zipf = 1.0 }, { hot = { rooms = 1, share = 0.9 } }, \
                         \"latest\" or { latest = 1.0 }";
    if let Some(text) = item.as_text() {
        return match text {
            "uniform" => Ok(Popularity::Uniform),
            "latest" => Ok(Popularity::Latest(LATEST)),
            // What needs a number is known, but not in this form.
            "zipf" | "hot" => Err(item.wanted(FORMS)),
            _ => item.named(
                "popularity",
                &[
                    ("uniform", Popularity::Uniform),
                    ("latest", Popularity::Latest(LATEST)),
                    ("{ zipf = 1.0 }", Popularity::Uniform),
                    ("{ hot = { rooms = 1, share = 0.9 } }", Popularity::Uniform),
                ],
            ),
        };
    }
    if !item.is_table() {
        return Err(item.wanted(FORMS));
    }
    match item.choice(&["zipf", "hot", "latest"], FORMS)? {
        ("zipf", exponent) => Ok(Popularity::Zipf(exponent.number(EXPONENT, "")?)),
        ("latest", exponent) => Ok(Popularity::Latest(exponent.number(EXPONENT, "")?)),
        (_, hot) => {
            let table = hot.table("{ rooms = 1, share = 0.9 }")?;
            table.only(&["rooms", "share"])?;
            let hot = table.need("rooms", "rooms = 1")?;
            Ok(Popularity::Hot {
                rooms: hot.places(1..=rooms, ": there are no more")?,
                share: table.need("share", "share = 0.9")?.share()?,
            })
        }
    }
}
