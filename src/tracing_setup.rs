//! What the program says of its own doings, on stderr.

use std::env;
use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::exit::Failure;

/// Chooses what is said, as `debug` or `telegraft_cluster=trace`.
const FILTER_VARIABLE: &str = "TELEGRAFT_LOG";

/// Says `default` and worse, unless the environment wishes otherwise.
pub(crate) fn init(default: &str) -> Result<(), Failure> {
    let wish = env::var(FILTER_VARIABLE).unwrap_or_default();
    let directives = if wish.trim().is_empty() {
        default
    } else {
        &wish
    };
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| Failure::usage(format!("{FILTER_VARIABLE}={directives}: {error}")))?;
    let colour = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colour && stderr().is_terminal())
        .with_writer(stderr)
        .init();
    Ok(())
}
