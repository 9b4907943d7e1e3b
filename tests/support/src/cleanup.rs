//! Undoing from `Drop`, where nothing can be awaited, what a test has made.

use std::time::Duration;

/// After this the thing is left behind: its server is most likely gone.
const LIMIT: Duration = Duration::from_secs(10);

/// Runs `work` to its end on a runtime of its own. What fails is left behind; a
/// test has then said enough.
pub(crate) fn run(work: impl Future<Output = ()> + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return;
        };
        drop(runtime.block_on(async { tokio::time::timeout(LIMIT, work).await }));
        // A driver's own background tasks need not be waited for.
        runtime.shutdown_background();
    });
    drop(thread.join());
}
