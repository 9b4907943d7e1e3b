//! Signing keys: rotated and encrypted anew.

use accrue_auth::tokens::{self, Rotated};
use accrue_chassis::http::SECURITY_LOG;
use anyhow::Context as _;
use time::format_description::well_known::Rfc3339;

use super::opened::StoreArgs;

pub(super) async fn rotate(args: StoreArgs) -> anyhow::Result<()> {
    let opened = args.open().await?;
    let algorithm = opened.config.tokens.algorithm;
    let rotated = tokens::rotate(&*opened.store, algorithm, &opened.sealing()?, opened.clock.now()).await?;
    let (word, key) = match rotated {
        Rotated::Added(key) => ("added", key),
        Rotated::Waiting(key) => ("there already", key),
    };
    let from = key.signs_from.format(&Rfc3339).context("a time cannot be written")?;
    tracing::info!(target: SECURITY_LOG, event = "keys_rotated", actor = "operator", key_id = key.key_id);
    println!("key {} {word}; it signs from {from} on", key.key_id);
    Ok(())
}

pub(super) async fn rewrap(args: StoreArgs) -> anyhow::Result<()> {
    let opened = args.open().await?;
    let done = tokens::rewrap(&*opened.store, &opened.sealing()?).await?;
    tracing::info!(target: SECURITY_LOG, event = "keys_rewrapped", actor = "operator", done);
    println!(
        "{done} signing key(s) encrypted anew; older key-encryption keys can go once no mail waits under them"
    );
    Ok(())
}
