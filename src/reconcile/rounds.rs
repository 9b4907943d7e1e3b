//! Looks at intervals, with metrics, until the process is stopped.

use std::process::ExitCode;
use std::time::Duration;

use accrue_chassis::clock::{Clock as _, SystemClock};
use accrue_chassis::health::{Link, Readiness};
use accrue_chassis::http::{Manners, Operations, polite};

use super::args::Settings;
use super::finding::Kind;
use super::tally::Tally;
use crate::host::Host;

/// Of its own routes, which answer at once.
const MANNERS: Manners =
    Manners { service: "reconcile", deadline: Duration::from_secs(10), max_in_flight: 64 };

/// Looks, rests for `every`, and looks again. A look that fails is told of and taken again at
/// the next time.
pub(super) async fn run(settings: Settings, every: Duration) -> anyhow::Result<ExitCode> {
    let host = Host::new()?;
    host.stop_on_signal();
    let link = Link::default();
    let (_, doorway) = host.listen(MANNERS, settings.listen, link.clone()).await?;
    let operations = Operations {
        readiness: Readiness::default().want("services", link.clone()),
        metrics: host.metrics.clone(),
        collectors: Vec::new(),
        lifecycle: host.lifecycle.clone(),
    };
    doorway.open(polite(operations.routes(), MANNERS));
    // Or nothing would be there to alert on as long as no look succeeds.
    looked_last();
    let looks = async {
        loop {
            match super::once(&settings).await {
                Ok(tally) => succeeded(&tally, &link),
                Err(error) => failed(&error, &link),
            }
            tokio::time::sleep(every).await;
        }
    };
    tokio::select! {
        () = looks => {}
        // Half a look is no harm: each repair is whole by itself.
        () = host.lifecycle.stopping() => {}
    }
    Ok(host.run_until_stopped().await)
}

fn succeeded(tally: &Tally, link: &Link) {
    link.up();
    tracing::info!("{tally}");
    metrics::counter!("reconcile_looks_total", "outcome" => "done").increment(1);
    looked_last();
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    {
        for kind in Kind::ALL {
            metrics::gauge!("reconcile_found", "kind" => kind.word()).set(tally.of(kind) as f64);
        }
        metrics::gauge!("reconcile_left").set(tally.left as f64);
    }
    metrics::counter!("reconcile_repaired_total").increment(tally.repaired);
}

/// Now is when the last whole look ended.
fn looked_last() {
    let now = SystemClock.now();
    #[expect(clippy::cast_precision_loss, reason = "seconds stay far below 2^52")]
    metrics::gauge!("reconcile_last_done_timestamp_seconds").set(now.unix_timestamp() as f64);
}

fn failed(error: &anyhow::Error, link: &Link) {
    let told = format!("{error:#}");
    metrics::counter!("reconcile_looks_total", "outcome" => "failed").increment(1);
    tracing::error!(error = told, "not everybody was looked at; the next look comes at its time");
    link.down(told);
}
