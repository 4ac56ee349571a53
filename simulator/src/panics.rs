//! Panics of what runs on a thread, kept instead of printed: in a run they are findings.

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    /// What was caught on this thread; none while nothing is to be caught.
    static CAUGHT: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// From now on the panics of this thread are kept.
pub(crate) fn catch() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let otherwise = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let kept = CAUGHT.with(|caught| match caught.try_borrow_mut() {
                Ok(mut caught) => match caught.as_mut() {
                    Some(list) => {
                        list.push(info.to_string());
                        true
                    }
                    None => false,
                },
                Err(_) => false,
            });
            if !kept {
                otherwise(info);
            }
        }));
    });
    CAUGHT.with(|caught| *caught.borrow_mut() = Some(Vec::new()));
}

/// The first panic that was kept.
pub(crate) fn first() -> Option<String> {
    CAUGHT.with(|caught| {
        caught
            .borrow()
            .as_ref()
            .and_then(|list| list.first().cloned())
    })
}

/// Panics of this thread are printed again; those that were kept.
pub(crate) fn release() -> Vec<String> {
    CAUGHT.with(|caught| caught.borrow_mut().take().unwrap_or_default())
}
