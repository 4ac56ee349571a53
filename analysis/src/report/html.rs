//! A report as one HTML page: everything it needs is in it, and it can load nothing.
//!
//! It is whole without its script, which adds sorting only. What comes from files is escaped;
//! the pictures are ours and stand in it as they are.
//!
//! | file | what |
//! |---|---|
//! | `escape.rs` | text and attributes |
//! | `table.rs` | tables |
//! | `style.css`, `script.js` | written into the page |

mod escape;
mod table;
#[cfg(test)]
mod tests;

use super::document::{Block, Document, Figure, Picture, Section};
use super::text::Text;
use escape::{attribute, content, lines, mark, text};

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/script.js");

/// SHA-256 of the script, as a Content-Security-Policy names it: no other script runs.
const SCRIPT_SHA256: &str = "sha256-eThZht5d4pL30nXVVt4Ro5yfkHrpXYx9YU+rBD5Vz74=";

/// What the page may do: run its script, and use styles that stand in it (plots bring their
/// own). There is nothing that it may load.
fn policy() -> String {
    format!(
        "default-src 'none'; script-src '{SCRIPT_SHA256}'; style-src 'unsafe-inline'; \
         img-src data:; base-uri 'none'; form-action 'none'"
    )
}

/// The deepest heading that HTML knows.
const DEEPEST: usize = 6;

/// The page.
pub(crate) fn html(document: &Document) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n",
        attribute(&policy()),
        attribute(&document.title),
    );
    page += &body(document);
    page += &format!("<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    page
}

fn body(document: &Document) -> String {
    let mut body = format!(
        "<body>\n<a class=\"skip\" href=\"#report\">Skip the contents</a>\n\
         <header>\n<h1>{}</h1>\n</header>\n",
        content(&document.title)
    );
    let sections: Vec<&Section> = told(&document.sections).collect();
    if !sections.is_empty() {
        body += &format!(
            "<nav aria-labelledby=\"heading-contents\">\n<h2 id=\"heading-contents\">Contents</h2>\n{}</nav>\n",
            contents(&document.sections)
        );
    }
    body += "<main id=\"report\" tabindex=\"-1\">\n";
    if !document.lead.is_empty() {
        body += &format!("<div class=\"lead\">\n{}</div>\n", blocks(&document.lead));
    }
    for part in sections {
        body += &section(part, 2);
    }
    body + "</main>\n"
}

/// Those with content.
fn told(sections: &[Section]) -> impl Iterator<Item = &Section> {
    sections.iter().filter(|section| !section.is_empty())
}

fn contents(sections: &[Section]) -> String {
    let mut list = "<ol>\n".to_owned();
    for section in told(sections) {
        list += &format!(
            "<li><a href=\"#{}\">{}</a>",
            attribute(section.anchor),
            content(&section.title)
        );
        if told(&section.sections).next().is_some() {
            list += "\n";
            list += &contents(&section.sections);
        }
        list += "</li>\n";
    }
    list + "</ol>\n"
}

fn section(part: &Section, level: usize) -> String {
    let anchor = attribute(part.anchor);
    let mut html = format!(
        "<section id=\"{anchor}\" aria-labelledby=\"heading-{anchor}\">\n\
         <h{level} id=\"heading-{anchor}\"><a href=\"#{anchor}\">{}</a></h{level}>\n{}",
        content(&part.title),
        blocks(&part.blocks)
    );
    for inner in told(&part.sections) {
        html += &section(inner, (level + 1).min(DEEPEST));
    }
    html + "</section>\n"
}

fn blocks(blocks: &[Block]) -> String {
    let block = |block: &Block| match block {
        Block::Paragraph(paragraph) => format!("<p>{}</p>\n", text(paragraph)),
        Block::List(items) => list(items, ""),
        Block::Warnings(items) => format!(
            "<div class=\"warnings\" role=\"note\" aria-label=\"Warnings\">\n{}</div>\n",
            list(items, &mark())
        ),
        Block::Table(table) => table::table(table),
        Block::Figure(figure) => picture(figure),
        Block::Picture(picture) => foreign(picture),
        Block::Code { language, text } => format!(
            "<pre><code class=\"language-{}\">{}</code></pre>\n",
            attribute(language),
            lines(text)
        ),
    };
    blocks.iter().map(block).collect()
}

/// Each item has the `sign` before it, unless it starts with it.
fn list(items: &[Text], sign: &str) -> String {
    let item = |item: &Text| {
        let item = text(item);
        match sign.is_empty() || item.starts_with(sign) {
            true => format!("<li>{item}</li>\n"),
            false => format!("<li>{sign} {item}</li>\n"),
        }
    };
    let items: String = items.iter().map(item).collect();
    format!("<ul>\n{items}</ul>\n")
}

/// A picture from a file, as an image: a page runs no script of such and loads nothing for it.
fn foreign(picture: &Picture) -> String {
    let mut data = String::with_capacity(picture.svg.len() * 2);
    for byte in picture.svg.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' | b':' => {
                data.push(char::from(byte));
            }
            byte => data += &format!("%{byte:02X}"),
        }
    }
    format!(
        "<figure>\n<img src=\"data:image/svg+xml,{data}\" alt=\"{}\">\n\
         <figcaption>{}</figcaption>\n</figure>\n",
        attribute(&picture.alt),
        content(&picture.file)
    )
}

/// A plot names itself, with a role, a title and a description; another picture gets its text
/// from the figure.
fn picture(figure: &Figure) -> String {
    // A page has no place for what stands before the root element of a file.
    let svg = figure.svg.find("<svg").map_or("", |at| &figure.svg[at..]);
    let svg = svg.trim_end();
    let named = svg
        .split_once('>')
        .is_some_and(|(root, _)| root.contains("role=\"img\"") && root.contains("aria-label"));
    let svg = match named {
        true => svg.to_owned(),
        false => format!(
            "<div role=\"img\" aria-label=\"{}\">{svg}</div>",
            attribute(&figure.alt)
        ),
    };
    let title = content(&figure.title);
    let caption = match figure.caption.is_empty() {
        true => format!("<strong>{title}</strong>"),
        false => format!(
            "<strong>{title}{}</strong> {}",
            match title.ends_with(['.', '?', '!']) {
                true => "",
                false => ".",
            },
            text(&figure.caption)
        ),
    };
    format!(
        "<figure id=\"figure-{}\">\n{svg}\n<figcaption>{caption}</figcaption>\n</figure>\n",
        attribute(&figure.name)
    )
}
