//! Signing keys: rotated and encrypted anew.

use accrue_auth::tokens::{self, KeyRingError, Rotated};
use accrue_chassis::http::SECURITY_LOG;
use anyhow::Context as _;
use time::format_description::well_known::Rfc3339;

use super::RotateKeys;
use super::opened::{SealedStoreArgs, Sealing};

pub(super) async fn rotate(args: RotateKeys) -> anyhow::Result<()> {
    let (opened, Sealing { algorithm, keys }) = args.store.open().await?;
    let (store, now) = (&*opened.store, opened.clock.now());
    let rotated = if args.old_keys_are_lost {
        tokens::rotate_after_loss(store, algorithm, &keys, now).await?
    } else {
        tokens::rotate(store, algorithm, &keys, now).await.map_err(|error| match error {
            KeyRingError::Foreign => anyhow::Error::new(error).context(
                "nothing was done: take the keys that auth runs with, or, if those are lost and auth runs with \
                 these now, add --old-keys-are-lost",
            ),
            other => other.into(),
        })?
    };
    let (word, key) = match rotated {
        Rotated::Added(key) => ("added", key),
        Rotated::Waiting(key) => ("there already", key),
    };
    let from = key.signs_from.format(&Rfc3339).context("a time cannot be written")?;
    tracing::info!(target: SECURITY_LOG, event = "keys_rotated", actor = "operator", key_id = key.key_id);
    println!("key {} {word}; it signs from {from} on", key.key_id);
    Ok(())
}

pub(super) async fn rewrap(args: SealedStoreArgs) -> anyhow::Result<()> {
    let (opened, sealing) = args.open().await?;
    let done = tokens::rewrap(&*opened.store, &sealing.keys).await.context("nothing was done")?;
    let (signing_keys, mails) = (done.signing_keys, done.mails);
    tracing::info!(
        target: SECURITY_LOG,
        event = "keys_rewrapped",
        actor = "operator",
        done = signing_keys,
        mails
    );
    println!("{signing_keys} signing key(s) and {mails} mail(s) that wait encrypted anew");
    if done.closed_keys > 0 {
        println!("{} signing key(s) stay as they are: none of the keys opens them", done.closed_keys);
    }
    println!("if every auth had the first key before this, the others can go");
    Ok(())
}
