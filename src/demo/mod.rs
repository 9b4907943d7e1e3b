//! `accrue demo`: the whole story end to end, narrated, on a process of its own or on
//! running services.

mod client;
mod narrator;
mod story;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use url::Url;

use crate::all_in_one::{self, Settings};
use crate::cli::DemoArgs;
use crate::host::Host;
use client::Services;
use narrator::Narrator;
use story::Gate;

/// A step that waits gives up after this time.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let mut narrator = Narrator::default();
    let told = match (args.auth_url, args.accounting_url, args.data_dir) {
        (Some(auth), Some(accounting), _) => {
            let services = Services::new(auth, accounting)?;
            story::tell(&mut narrator, &services, Gate::NotOurs).await
        }
        (_, _, Some(data_dir)) => tell_in_process(&mut narrator, &data_dir).await,
        _ => {
            let data_dir = tempfile::Builder::new().prefix("accrue-demo-").tempdir();
            let data_dir = data_dir.context("a temporary directory cannot be made")?;
            tell_in_process(&mut narrator, data_dir.path()).await
        }
    };
    Ok(narrator.conclude(told))
}

/// Runs both services here, on free ports, with the relay held back until the story
/// lets it go.
async fn tell_in_process(narrator: &mut Narrator, data_dir: &Path) -> anyhow::Result<()> {
    let settings = Settings::on_free_ports(data_dir)?;
    let host = Host::new()?;
    host.stop_on_signal();
    let running = all_in_one::start(&host, &settings).await?.context("interrupted before it began")?;
    narrator::say(&format!(
        "auth on http://{} and accounting on http://{}, their files in {}",
        running.auth,
        running.accounting,
        data_dir.display()
    ));
    let url = |address| Url::parse(&format!("http://{address}")).context("an address makes a URL");
    let services = Services::new(url(running.auth)?, url(running.accounting)?)?;
    let relay = running.relay;
    let gate = Gate::Ours(Box::new(|| {
        drop(host.lifecycle.spawn_worker(relay.run(host.lifecycle.worker_token())));
    }));
    let told = tokio::select! {
        told = story::tell(narrator, &services, gate) => told,
        () = host.lifecycle.stopping() => Err(anyhow::anyhow!("interrupted")),
    };
    drop(services);
    host.drain().await;
    told
}
