mod gallery;
mod sha256;

use std::collections::HashSet;
use std::path::Path;

use super::*;
use crate::report::table::{Cell, Column, Table};
use gallery::{HOSTILE, gallery, small};

/// Elements without an end.
const VOID: [&str; 2] = ["meta", "img"];

/// Elements of a page, in order; stops where they are not nested as they should be, or an
/// attribute is not written as ours are.
fn tags(page: &str) -> Vec<(String, Vec<(String, String)>)> {
    let (mut found, mut open) = (Vec::new(), Vec::<String>::new());
    let mut rest = page.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "{}", &rest[..at]);
        let end = rest[at..].find('>').unwrap() + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let (tag, empty) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let (name, mut list) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
        let mut attributes = Vec::new();
        while !list.is_empty() {
            let (key, value) = list.split_once("=\"").unwrap();
            let (value, after) = value.split_once('"').unwrap();
            attributes.push((key.to_owned(), value.to_owned()));
            assert!(after.is_empty() || after.starts_with(' '), "{tag}");
            list = after.trim_start();
        }
        found.push((name.to_owned(), attributes));
        if !empty && !VOID.contains(&name) {
            open.push(name.to_owned());
        }
        // Nothing in these is an element.
        if matches!(name, "script" | "style") {
            rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
        }
    }
    assert_eq!(open, Vec::<String>::new());
    found
}

fn values<'a>(
    tags: &'a [(String, Vec<(String, String)>)],
    key: &'a str,
) -> impl Iterator<Item = &'a str> {
    let attributes = tags.iter().flat_map(|(_, attributes)| attributes);
    attributes
        .filter(move |(k, _)| k == key)
        .map(|(_, value)| value.as_str())
}

/// With `TELEGRAFT_HTML_GALLERY` set, the page is written there, for `scripts/check-html`.
#[test]
fn a_page_of_everything_is_well_formed() {
    let page = html(&gallery());
    if let Some(path) = std::env::var_os("TELEGRAFT_HTML_GALLERY") {
        std::fs::write(path, &page).unwrap();
    }
    assert_eq!(page, html(&gallery()));
    let tags = tags(&page);
    let count = |name: &str| tags.iter().filter(|(tag, _)| tag == name).count();
    assert_eq!(count("h1"), 1);
    assert_eq!(count("tr"), 60 + 5 + 3 + 3);
    assert_eq!(
        (count("caption"), count("figcaption"), count("svg")),
        (3, 2, 2)
    );
    // The style sheets of two plots beside the page's.
    assert_eq!((count("script"), count("style")), (1, 3));

    let ids: Vec<&str> = values(&tags, "id").collect();
    let unique: HashSet<&str> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len());
    let fragments = values(&tags, "href").map(|href| href.strip_prefix('#').unwrap());
    let labels = ["aria-labelledby", "aria-describedby"];
    let labels = labels.iter().flat_map(|key| values(&tags, key));
    for id in fragments.chain(labels.flat_map(str::split_whitespace)) {
        assert!(unique.contains(id), "{id}");
    }
}

#[test]
fn headings_follow_the_sections() {
    let tags = tags(&html(&gallery()));
    let level = |(tag, _): &(String, _)| match tag.strip_prefix('h') {
        Some(level) => level.parse().ok(),
        None => None,
    };
    let levels: Vec<u32> = tags.iter().filter_map(level).collect();
    assert_eq!(levels, [1, 2, 2, 3, 2, 3, 4, 5, 3, 2, 2]);

    let mut section = Section::new("at-9", "deep");
    section.paragraph(Text::plain("x"));
    let anchors = ["at-1", "at-2", "at-3", "at-4", "at-5", "at-6", "at-7"];
    for anchor in anchors {
        let mut outer = Section::new(anchor, "outer");
        outer.section(section);
        section = outer;
    }
    let mut document = small();
    document.sections = vec![section];
    let page = html(&document);
    assert!(page.contains("<h6 id=\"heading-at-9\">") && !page.contains("<h7"));
}

#[test]
fn nothing_from_files_is_markup() {
    let mut section = Section::new("speed", HOSTILE);
    section.paragraph(Text::plain(HOSTILE).then(Text::parse(&format!("*a* `{}`", "<b>\"'&"))));
    section.list(vec![Text::plain(HOSTILE)]);
    section.warnings(vec![Text::plain(HOSTILE)]);
    let columns = [Column::text("run", "run"), Column::number("n", "n", "")];
    let mut table = Table::new("runs", Text::plain(HOSTILE), &columns);
    table.row(vec![
        Cell::text(HOSTILE),
        Cell::text(format!("⚠ {HOSTILE}")),
    ]);
    // What it is sorted by is an attribute.
    table.row(vec![
        Cell::text(format!("⚠ {HOSTILE}")),
        Cell::text("1\" onclick=\"x"),
    ]);
    table.notes.push(Text::plain(HOSTILE));
    section.table(table);
    section.blocks.push(Block::Code {
        language: "sh",
        text: HOSTILE.to_owned(),
    });
    section.blocks.push(Block::Figure(Figure {
        name: HOSTILE.to_owned(),
        title: HOSTILE.to_owned(),
        alt: HOSTILE.to_owned(),
        caption: Text::plain(HOSTILE),
        svg: "<svg></svg>".to_owned(),
    }));
    section.blocks.push(Block::Picture(Picture {
        file: HOSTILE.to_owned(),
        alt: HOSTILE.to_owned(),
        svg: HOSTILE.to_owned(),
    }));
    let document = Document {
        title: HOSTILE.to_owned(),
        lead: Vec::new(),
        sections: vec![section],
    };
    let page = html(&document);
    let tags = tags(&page);
    assert_eq!(tags.iter().filter(|(name, _)| name == "script").count(), 1);
    assert!(tags.iter().all(|(name, _)| name != "b"));
    let handlers = tags.iter().flat_map(|(_, attributes)| attributes);
    assert!(handlers.clone().all(|(key, _)| !key.starts_with("on")));
    let odd = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!page.contains(odd));
    let shown = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;`";
    assert_eq!(page.matches(shown).count(), 20);
}

/// `UPDATE_GOLDENFILES=1` writes it anew.
#[test]
fn a_small_page_is_as_it_was() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/html/tests/small.html");
    let body = body(&small());
    tags(&html(&small()));
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        std::fs::write(&golden, &body).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap();
    assert!(body == expected, "{} differs:\n{body}", golden.display());
}

#[test]
fn the_policy_lets_the_script_run_and_no_other() {
    let page = html(&small());
    let (_, script) = page.split_once("<script>").unwrap();
    let (script, _) = script.split_once("</script>").unwrap();
    assert_eq!(SCRIPT_SHA256, sha256::named(script));
    assert!(!STYLE.contains("</") && !STYLE.contains("url(") && !STYLE.contains("@import"));
}

#[test]
fn a_document_without_sections_is_a_page() {
    let document = Document {
        title: "x".to_owned(),
        lead: Vec::new(),
        sections: Vec::new(),
    };
    let tags = tags(&html(&document));
    assert!(tags.iter().all(|(name, _)| name != "nav"));
}
