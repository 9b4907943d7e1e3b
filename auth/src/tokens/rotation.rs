//! Rotation: when a key is added, and everything that follows from the order of keys.

use time::{Duration, OffsetDateTime};

use super::ring::KeyRingError;
use super::signing_key::{SigningAlgorithm, SigningKeyRecord};
use crate::mail;
use crate::sealing::KeyEncryptionKeys;
use crate::store::AuthStore;

/// How long others may keep the published keys, in seconds: the `max-age` of the JWK set.
pub(crate) const JWKS_MAX_AGE_S: u32 = 300;
/// How long a key is published before it signs: the time for which others keep the
/// keys, and two polls of ours.
pub(super) const PUBLISHED_AHEAD: Duration = Duration::seconds(JWKS_MAX_AGE_S as i64 + 60);
/// How long a key is published after it has signed its last token: the longest life of
/// a token, and a minute for clocks that differ.
pub(super) const PUBLISHED_AFTER: Duration = Duration::seconds(900 + 60);
/// How long it is kept then.
const KEPT_AFTER: Duration = Duration::days(1);
/// What came of a rotation.
#[derive(Debug)]
pub enum Rotated {
    /// A key was added, which signs in a while.
    Added(SigningKeyRecord),
    /// There was one already that waits to sign.
    Waiting(SigningKeyRecord),
}

/// Whether it is time for another key. One that waits to sign is the next, whatever
/// has changed since.
pub(super) fn is_due(
    newest: Option<&SigningKeyRecord>,
    algorithm: SigningAlgorithm,
    rotation: Duration,
    now: OffsetDateTime,
) -> bool {
    newest.is_none_or(|key| {
        key.signs_from <= now && (now >= key.signs_from + rotation || key.algorithm != algorithm)
    })
}

/// The generation from which on keys are still of use, if there are older ones.
pub(super) fn first_kept(records: &[SigningKeyRecord], now: OffsetDateTime) -> Option<i64> {
    let is_over = |next: &SigningKeyRecord| now >= next.signs_from + PUBLISHED_AFTER + KEPT_AFTER;
    records.iter().skip(1).rev().find(|next| is_over(next)).map(|next| next.generation)
}

/// Adds the key after `newest`. The first of all signs at once: nobody knows another.
pub(super) async fn add(
    store: &dyn AuthStore,
    newest: Option<&SigningKeyRecord>,
    algorithm: SigningAlgorithm,
    sealing: &KeyEncryptionKeys,
    now: OffsetDateTime,
) -> Result<SigningKeyRecord, KeyRingError> {
    // In whole seconds, which every store keeps as they are.
    let now = OffsetDateTime::from_unix_timestamp(now.unix_timestamp()).unwrap_or(now);
    let (generation, signs_from) = newest.map_or((1, now), |key| (key.generation + 1, now + PUBLISHED_AHEAD));
    let key = SigningKeyRecord::generate(algorithm, generation, (now, signs_from), sealing)?;
    // If it is not added, another process has added that generation: as good as ours.
    if store.add_signing_key(&key).await? {
        tracing::info!(key_id = key.key_id, "a signing key was added");
    }
    Ok(key)
}

/// Adds a key that takes over in a while, unless one waits already.
///
/// # Errors
/// [`KeyRingError`].
pub async fn rotate(
    store: &dyn AuthStore,
    algorithm: SigningAlgorithm,
    sealing: &KeyEncryptionKeys,
    now: OffsetDateTime,
) -> Result<Rotated, KeyRingError> {
    let newest = store.signing_keys().await?.pop();
    match newest {
        Some(waiting) if waiting.signs_from > now => Ok(Rotated::Waiting(waiting)),
        newest => Ok(Rotated::Added(add(store, newest.as_ref(), algorithm, sealing, now).await?)),
    }
}

/// Seals every signing key, and every mail that waits, under the newest key-encryption
/// key. How many signing keys were not.
///
/// # Errors
/// [`KeyRingError`]; those before it are done, and it can be called again.
pub async fn rewrap(store: &dyn AuthStore, sealing: &KeyEncryptionKeys) -> Result<usize, KeyRingError> {
    let mut done = 0;
    for key in store.signing_keys().await? {
        if sealing.is_current(&key.private_key) {
            continue;
        }
        let sealed = key.reseal(sealing)?;
        if store.reseal_signing_key(key.generation, &key.private_key, &sealed).await? {
            done += 1;
        }
    }
    mail::rewrap(store, sealing).await?;
    Ok(done)
}
