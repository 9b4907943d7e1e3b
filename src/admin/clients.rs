//! Clients: services that get tokens in their own name.

use accrue_auth::domain::Client;
use accrue_chassis::http::SECURITY_LOG;
use accrue_chassis::tokens::Scopes;
use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use time::format_description::well_known::Rfc3339;

use super::opened::{Opened, StoreArgs};
use super::{CreateClient, NamedClient};

pub(super) async fn create(args: CreateClient) -> anyhow::Result<()> {
    let opened = args.store.open().await?;
    let scopes = Scopes::parse(&args.scope.join(" "));
    let (client, secret) = Client::new(&args.name, scopes, opened.clock.now())?;
    opened.store.create_client(&client).await?;
    log("client_created", &client.client_id);
    show(&client.client_id, &secret);
    Ok(())
}

pub(super) async fn rotate_secret(args: NamedClient) -> anyhow::Result<()> {
    let opened = args.store.open().await?;
    let client = find(&opened, &args.client_id).await?;
    let (secrets, secret) = client.with_new_secret();
    if !opened.store.replace_secrets(&client.client_id, &client.secrets, &secrets).await? {
        anyhow::bail!("somebody else has just changed this client; nothing was done");
    }
    log("client_secret_rotated", &client.client_id);
    show(&client.client_id, &secret);
    eprintln!("The secret before this one stays good until the next rotation; any before that is void.");
    Ok(())
}

pub(super) async fn delete(args: NamedClient) -> anyhow::Result<()> {
    let opened = args.store.open().await?;
    if !opened.store.delete_client(&args.client_id).await? {
        anyhow::bail!("there is no client {}", args.client_id);
    }
    log("client_deleted", &args.client_id);
    println!("deleted; tokens that it has are good until they expire");
    Ok(())
}

pub(super) async fn list(args: StoreArgs) -> anyhow::Result<()> {
    for client in args.open().await?.store.clients().await? {
        let made = client.created_at.format(&Rfc3339).context("a time cannot be written")?;
        let secrets = client.secrets.len();
        println!(
            "{}  {made}  {secrets} good secret(s)  {}  [{}]",
            client.client_id, client.name, client.scopes
        );
    }
    Ok(())
}

async fn find(opened: &Opened, client_id: &str) -> anyhow::Result<Client> {
    let client = opened.store.client(client_id).await?;
    client.with_context(|| format!("there is no client {client_id}; `accrue admin list-clients` lists them"))
}

fn show(client_id: &str, secret: &SecretString) {
    println!("client_id: {client_id}");
    println!("client_secret: {}", secret.expose_secret());
    eprintln!("The secret is shown this once and kept nowhere.");
}

fn log(event: &'static str, client_id: &str) {
    tracing::info!(target: SECURITY_LOG, event, actor = "operator", client_id);
}
