//! What a report consists of, whatever it is written as.

use super::table::Table;
use super::text::Text;

/// A report.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) title: String,
    /// Before the first section.
    pub(crate) lead: Vec<Block>,
    pub(crate) sections: Vec<Section>,
}

/// A section. One without content is left out.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// Its place in a page, as `speed`: unique in a document.
    pub(crate) anchor: &'static str,
    pub(crate) title: String,
    pub(crate) blocks: Vec<Block>,
    pub(crate) sections: Vec<Section>,
}

/// A part of a section.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    Paragraph(Text),
    List(Vec<Text>),
    /// What must not be overlooked.
    Warnings(Vec<Text>),
    Table(Table),
    Figure(Figure),
    Picture(Picture),
    Code {
        /// As Markdown names it.
        language: &'static str,
        text: String,
    },
}

/// A plot with its caption.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// The file's name in `plots/`, without its ending.
    pub(crate) name: String,
    pub(crate) title: String,
    /// What is to be seen, for those who do not see it.
    pub(crate) alt: String,
    pub(crate) caption: Text,
    /// The picture.
    pub(crate) svg: String,
}

/// A picture that stands in a result directory. What is in it is not ours.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// Its place in the result directory.
    pub(crate) file: String,
    /// What is to be seen, for those who do not see it.
    pub(crate) alt: String,
    /// As it stands in the file.
    pub(crate) svg: String,
}

impl Section {
    pub(crate) fn new(anchor: &'static str, title: impl Into<String>) -> Self {
        Section {
            anchor,
            title: title.into(),
            blocks: Vec::new(),
            sections: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.sections.iter().all(Section::is_empty)
    }

    pub(crate) fn paragraph(&mut self, text: Text) {
        if !text.is_empty() {
            self.blocks.push(Block::Paragraph(text));
        }
    }

    pub(crate) fn list(&mut self, items: Vec<Text>) {
        if !items.is_empty() {
            self.blocks.push(Block::List(items));
        }
    }

    pub(crate) fn warnings(&mut self, items: Vec<Text>) {
        if !items.is_empty() {
            self.blocks.push(Block::Warnings(items));
        }
    }

    /// Adds a table, unless it has no rows.
    pub(crate) fn table(&mut self, table: Table) {
        if !table.is_empty() {
            self.blocks.push(Block::Table(table));
        }
    }

    pub(crate) fn figures(&mut self, figures: Vec<Figure>) {
        self.blocks.extend(figures.into_iter().map(Block::Figure));
    }

    pub(crate) fn code(&mut self, language: &'static str, text: impl Into<String>) {
        self.blocks.push(Block::Code {
            language,
            text: text.into(),
        });
    }

    pub(crate) fn section(&mut self, section: Section) {
        if !section.is_empty() {
            self.sections.push(section);
        }
    }
}

impl Document {
    pub(crate) fn section(&mut self, section: Section) {
        if !section.is_empty() {
            self.sections.push(section);
        }
    }

    /// All tables, in order.
    pub(crate) fn tables(&self) -> Vec<&Table> {
        let mut found = Vec::new();
        self.each_block(&mut |block| {
            if let Block::Table(table) = block {
                found.push(table);
            }
        });
        found
    }

    /// All figures, in order.
    pub(crate) fn figures(&self) -> Vec<&Figure> {
        let mut found = Vec::new();
        self.each_block(&mut |block| {
            if let Block::Figure(figure) = block {
                found.push(figure);
            }
        });
        found
    }

    fn each_block<'a>(&'a self, see: &mut dyn FnMut(&'a Block)) {
        fn of<'a>(section: &'a Section, see: &mut dyn FnMut(&'a Block)) {
            section.blocks.iter().for_each(&mut *see);
            for inner in &section.sections {
                of(inner, see);
            }
        }
        self.lead.iter().for_each(&mut *see);
        for section in &self.sections {
            of(section, see);
        }
    }
}
