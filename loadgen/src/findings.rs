//! What was found to be wrong: all of it counted, the first of it told.

/// How many findings are told in words.
const EXAMPLES: usize = 5;

/// Findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    count: u64,
    examples: Vec<String>,
}

impl Findings {
    /// Adds one; the text is only made when it is told.
    pub fn add(&mut self, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(text());
        }
    }

    /// Adds others.
    pub fn merge(&mut self, other: Findings) {
        self.count += other.count;
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first of them.
    pub fn examples(&self) -> &[String] {
        &self.examples
    }
}
