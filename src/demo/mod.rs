//! `accrue demo`: the whole story end to end, narrated, on a process of its own or on
//! running services.

mod client;
mod narrator;
mod story;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use accrue_auth::domain::Client;
use accrue_auth::store::AuthStore;
use accrue_chassis::clock::{Clock as _, SystemClock};
use accrue_chassis::tokens::Scopes;
use anyhow::Context as _;
use url::Url;

use crate::all_in_one::{self, Settings};
use crate::cli::DemoArgs;
use crate::host::Host;
use client::{Credentials, SCOPES, Services};
use narrator::Narrator;
use story::Gate;

/// A step that waits gives up after this time.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let mut narrator = Narrator::default();
    let credentials = args
        .client_id
        .zip(args.client_secret)
        .map(|(client_id, client_secret)| Credentials { client_id, client_secret });
    let told = match (args.auth_url.zip(args.accounting_url), credentials, args.data_dir) {
        (Some(urls), Some(credentials), _) => tell_of_running(&mut narrator, urls, &credentials).await,
        (Some(_), None, _) => anyhow::bail!("--client-id and --client-secret are needed with URLs"),
        (None, _, Some(data_dir)) => tell_in_process(&mut narrator, &data_dir).await,
        (None, _, None) => {
            let data_dir = tempfile::Builder::new().prefix("accrue-demo-").tempdir();
            let data_dir = data_dir.context("a temporary directory cannot be made")?;
            tell_in_process(&mut narrator, data_dir.path()).await
        }
    };
    Ok(narrator.conclude(told))
}

async fn tell_of_running(
    narrator: &mut Narrator,
    (auth, accounting): (Url, Url),
    credentials: &Credentials,
) -> anyhow::Result<()> {
    let services = Services::sign_in(auth, accounting, credentials).await?;
    story::tell(narrator, &services, Gate::NotOurs).await
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
        running.auth.address,
        running.accounting,
        data_dir.display()
    ));
    let url = |address| Url::parse(&format!("http://{address}")).context("an address makes a URL");
    let store = Arc::clone(&running.auth.store);
    let credentials = make_client(&*store).await?;
    let (auth, accounting) = (url(running.auth.address)?, url(running.accounting)?);
    let relay = running.auth.relay;
    let gate = Gate::Ours(Box::new(|| {
        drop(host.lifecycle.spawn_worker(relay.run(host.lifecycle.worker_token())));
    }));
    let told = tokio::select! {
        told = async {
            let services = Services::sign_in(auth, accounting, &credentials).await?;
            story::tell(narrator, &services, gate).await
        } => told,
        () = host.lifecycle.stopping() => Err(anyhow::anyhow!("interrupted")),
    };
    // The directory may be kept; the client has done its work.
    let deleted = store.delete_client(&credentials.client_id).await;
    host.drain().await;
    told.and(deleted.map(drop).context("the demo's client could not be deleted"))
}

/// A client for the time of the demo.
async fn make_client(store: &dyn AuthStore) -> anyhow::Result<Credentials> {
    let (client, client_secret) = Client::new("demo", Scopes::parse(SCOPES), SystemClock.now())?;
    store.create_client(&client).await.context("the demo's client could not be made")?;
    Ok(Credentials { client_id: client.client_id, client_secret })
}
