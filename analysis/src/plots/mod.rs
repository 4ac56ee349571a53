//! Plots: plain figures in, SVG out. No file is touched.
//!
//! Each plot has a file of its own with its input: [`percentiles`], [`replicas`], [`offered`],
//! [`timeline`], [`faults`], [`stages`], [`lag`]. Inputs are amounts in the unit that their name tells;
//! what is not known is `None`, and what is no finite number counts as not known. Any input
//! gives a plot: an empty one says that there is no data.
//!
//! A [`Plot::svg`] stands alone or inside an HTML page. Colours are those of Okabe and Ito, for a
//! light page or a dark one as the reader prefers (`style::sheet` names the variables by which
//! a page sets its own), and no colour is needed to tell series apart: they differ in dashes
//! and markers, too. The same input gives the same bytes.

mod backend;
mod canvas;
mod legend;
mod panel;
mod scale;
mod style;
mod text;
mod time;

pub(crate) mod faults;
pub(crate) mod lag;
pub(crate) mod offered;
pub(crate) mod percentiles;
pub(crate) mod replicas;
pub(crate) mod stages;
pub(crate) mod timeline;

#[cfg(test)]
mod gallery;
#[cfg(test)]
mod tests;

/// The class of the outermost element of each plot: files that have it are ours.
pub(crate) const SVG_CLASS: &str = "telegraft-plot";

/// A drawn plot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Plot {
    /// The name of its file without `.svg`: lower-case ASCII letters, digits, `_` and dashes. Ids
    /// in the SVG begin with it, so plots of one page need different ones.
    pub(crate) name: String,
    pub(crate) title: String,
    /// What is to be seen, in a sentence or two, computed from the data. It is in the SVG, too.
    pub(crate) alt: String,
    /// What a caption must say for the plot to be understood: rules, what was left out, how it
    /// was drawn. Whole sentences; may be empty.
    pub(crate) caption: String,
    pub(crate) svg: String,
}

/// What a plot is called.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heading {
    /// Becomes the file's name; what such a name cannot hold turns into dashes, with a hash of
    /// the whole behind it, so that different names stay different.
    pub(crate) name: String,
    pub(crate) title: String,
}

/// A latency: that of a percentile or a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Latency {
    /// Milliseconds.
    Ms(f64),
    /// `>timeout` in the files: so many operations did not succeed that it cannot be told.
    BeyondTimeout,
    /// There was nothing to measure, or it is not in the files.
    Unknown,
}

impl Latency {
    /// The milliseconds, where they are a number.
    fn ms(self) -> Option<f64> {
        match self {
            Latency::Ms(ms) => text::sane(ms),
            Latency::BeyondTimeout | Latency::Unknown => None,
        }
    }
}

/// Something that happened during a run.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// Seconds since the run's count began.
    pub(crate) at_s: f64,
    pub(crate) label: String,
    pub(crate) kind: MarkKind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MarkKind {
    /// A fault that was injected, or its end.
    Fault,
    /// Another leader.
    Leader,
}

impl Heading {
    fn plot(&self, canvas: canvas::Canvas, alt: String, caption: &[String]) -> Plot {
        let name = text::slug(&self.name);
        Plot {
            svg: canvas.finish(&name, &self.title, &alt),
            name,
            title: self.title.clone(),
            alt,
            caption: caption.join(" "),
        }
    }
}
