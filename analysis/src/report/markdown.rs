//! A report as Markdown.

use super::document::{Block, Document, Figure, Section};
use super::table::MARK;
use super::text::{Text, escape};

/// `report.md`. Plots are linked to as `plots/NAME.svg`.
pub(super) fn markdown(document: &Document) -> String {
    let mut text = format!("# {}\n", escape(&document.title));
    for block in &document.lead {
        text += &format!("\n{}", of_block(block));
    }
    for section in &document.sections {
        of_section(section, 2, &mut text);
    }
    text
}

fn of_section(section: &Section, level: usize, text: &mut String) {
    let marks = "#".repeat(level);
    *text += &format!("\n{marks} {}\n", escape(&section.title));
    for block in &section.blocks {
        *text += &format!("\n{}", of_block(block));
    }
    for inner in &section.sections {
        of_section(inner, level + 1, text);
    }
}

fn of_block(block: &Block) -> String {
    match block {
        Block::Paragraph(text) => format!("{}\n", text.markdown()),
        Block::List(items) => items.iter().map(item).collect(),
        Block::Warnings(items) => items.iter().map(item).collect(),
        Block::Table(table) => table.markdown_with_caption(),
        Block::Figure(figure) => of_figure(figure),
        Block::Picture(picture) => {
            let text = Text::parse("As a picture: ").then(Text::code(&picture.file));
            format!("{}\n", text.markdown())
        }
        Block::Code { language, text } => {
            // A fence longer than any inside it.
            let mut fence = "```".to_owned();
            while text.contains(&fence) {
                fence.push('`');
            }
            format!("{fence}{language}\n{}\n{fence}\n", text.trim_end())
        }
    }
}

fn item(text: &Text) -> String {
    format!("- {}\n", text.markdown())
}

fn of_figure(figure: &Figure) -> String {
    // A bracket would end it.
    let alt = figure.alt.replace('[', "(").replace(']', ")");
    format!(
        "![{}](plots/{}.svg)\n\n*{}:* {}\n",
        escape(&alt),
        figure.name,
        escape(&figure.title),
        figure.caption.markdown()
    )
}

/// What stands before a text that warns.
pub(super) fn warning(text: impl Into<String>) -> Text {
    Text::plain(format!("{MARK} {}", text.into()))
}
