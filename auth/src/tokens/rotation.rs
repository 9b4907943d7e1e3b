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

/// Whether `sealing` belongs to these keys: it opens one of them, or there are none yet.
/// A key sealed under others takes over in time, and then nobody can sign.
pub(super) fn is_at_home(records: &[SigningKeyRecord], sealing: &KeyEncryptionKeys) -> bool {
    records.is_empty() || records.iter().any(|key| key.open(sealing).is_ok())
}

/// Adds a key that takes over in a while, unless one waits already that can be opened.
///
/// # Errors
/// [`KeyRingError`]; [`KeyRingError::Foreign`] where the key-encryption keys open none of
/// the keys that are there.
pub async fn rotate(
    store: &dyn AuthStore,
    algorithm: SigningAlgorithm,
    sealing: &KeyEncryptionKeys,
    now: OffsetDateTime,
) -> Result<Rotated, KeyRingError> {
    let records = store.signing_keys().await?;
    if !is_at_home(&records, sealing) {
        return Err(KeyRingError::Foreign);
    }
    add_unless_one_waits(store, records, algorithm, sealing, now).await
}

/// As [`rotate`], where the key-encryption keys of the keys that are there are lost: the
/// next key is sealed under others.
///
/// # Errors
/// [`KeyRingError`].
pub async fn rotate_after_loss(
    store: &dyn AuthStore,
    algorithm: SigningAlgorithm,
    sealing: &KeyEncryptionKeys,
    now: OffsetDateTime,
) -> Result<Rotated, KeyRingError> {
    let records = store.signing_keys().await?;
    add_unless_one_waits(store, records, algorithm, sealing, now).await
}

async fn add_unless_one_waits(
    store: &dyn AuthStore,
    mut records: Vec<SigningKeyRecord>,
    algorithm: SigningAlgorithm,
    sealing: &KeyEncryptionKeys,
    now: OffsetDateTime,
) -> Result<Rotated, KeyRingError> {
    match records.pop() {
        Some(waiting) if waiting.signs_from > now && waiting.open(sealing).is_ok() => {
            Ok(Rotated::Waiting(waiting))
        }
        newest => Ok(Rotated::Added(add(store, newest.as_ref(), algorithm, sealing, now).await?)),
    }
}

/// What was sealed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewrapped {
    /// Signing keys that were sealed under an older key.
    pub signing_keys: usize,
    /// Mails that were.
    pub mails: usize,
    /// Signing keys that none of the keys opens, and that stay as they are.
    pub closed_keys: usize,
}

/// Seals every signing key, and every mail that waits, under the newest key-encryption
/// key.
///
/// # Errors
/// [`KeyRingError`]; [`KeyRingError::Foreign`] where the key-encryption keys open none of
/// the signing keys. Otherwise those before it are done, and it can be called again.
pub async fn rewrap(store: &dyn AuthStore, sealing: &KeyEncryptionKeys) -> Result<Rewrapped, KeyRingError> {
    let records = store.signing_keys().await?;
    if !is_at_home(&records, sealing) {
        return Err(KeyRingError::Foreign);
    }
    let mut done = Rewrapped { signing_keys: 0, mails: 0, closed_keys: 0 };
    for key in records {
        if key.open(sealing).is_err() {
            done.closed_keys += 1;
        } else if !sealing.is_current(&key.private_key) {
            let sealed = key.reseal(sealing)?;
            let is_done = store.reseal_signing_key(key.generation, &key.private_key, &sealed).await?;
            done.signing_keys += usize::from(is_done);
        }
    }
    done.mails = mail::rewrap(store, sealing).await?;
    Ok(done)
}
