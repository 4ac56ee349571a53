//! How to get the results again.

use super::old_table::escape;
use crate::data::{Data, Source};
use crate::number::plain;

/// The command, and the suites that it needs: each once, with the directories that have it.
pub(super) fn reproduce(data: &Data) -> String {
    let mut suites: Vec<(&Source, Vec<&str>)> = Vec::new();
    for source in &data.sources {
        match suites
            .iter_mut()
            .find(|(other, _)| other.suite == source.suite)
        {
            Some((_, names)) => names.push(&source.name),
            None => suites.push((source, vec![&source.name])),
        }
    }
    let seconds: f64 = data
        .runs
        .iter()
        .map(|run| run.any().warmup_s + run.any().duration_s)
        .sum();
    let takes = format!(
        "It takes {} s of load in {} runs.",
        plain(seconds),
        data.runs.len()
    );
    let several = data.sources.len() > 1;
    let mut text = String::new();
    for (source, names) in &suites {
        if several {
            text += &format!("**{}**\n\n", escape(&names.join(", ")));
        }
        text += &of_suite(source, &takes);
        text += "\n";
    }
    if data.runs.iter().any(|run| run.shares.is_some()) {
        text += "The shards ran at the same time against one cluster, each with its share.\n";
    }
    text
}

fn of_suite(source: &Source, takes: &str) -> String {
    let Some(suite) = &source.suite else {
        return "`suite.toml` is missing, so the exact configuration is not known.\n".to_owned();
    };
    let built = match &source.environment {
        Some(e) => format!(
            "With telegraft {}{}, built with {}, in this directory:",
            escape(&e.version),
            e.git_revision
                .as_ref()
                .map_or(String::new(), |revision| format!(
                    " (revision {})",
                    escape(revision)
                )),
            escape(&e.rustc)
        ),
        None => "In this directory:".to_owned(),
    };
    // A fence longer than any inside it.
    let mut fence = "```".to_owned();
    while suite.contains(&fence) {
        fence.push('`');
    }
    format!(
        "{built}\n\n```sh\ntelegraft bench suite.toml\n```\n\n\
         {takes} `suite.toml`:\n\n{fence}toml\n{}\n{fence}\n",
        suite.trim_end()
    )
}
