//! SQLite rows as the ledger's types: times are microseconds, JSON is text.

use accrue_chassis::clock;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use crate::ledger::chain::Seal;
use crate::ledger::{
    Account, AccountStatus, Allocation, Entry, EntryKind, IdempotencyKey, KeyRecord, Pricing, Reservation,
    ReservationStatus, Usage, Welcome,
};
use crate::rates::{RateCard, RateVersion};
use crate::store::StoreError;

/// The word in `column` as the enum that `parse` knows.
fn word<T>(row: &SqliteRow, column: &str, parse: fn(&str) -> Option<T>) -> Result<T, StoreError> {
    let word: &str = row.try_get(column)?;
    parse(word).ok_or_else(|| StoreError::Corrupt(format!("the {column} \"{word}\" is unknown")))
}

fn instant(micros: i64, column: &str) -> Result<OffsetDateTime, StoreError> {
    clock::from_micros(micros)
        .ok_or_else(|| StoreError::Corrupt(format!("{column} is out of range: {micros} us")))
}

/// The time in `column`.
pub(super) fn time(row: &SqliteRow, column: &str) -> Result<OffsetDateTime, StoreError> {
    instant(row.try_get(column)?, column)
}

fn optional_time(row: &SqliteRow, column: &str) -> Result<Option<OffsetDateTime>, StoreError> {
    row.try_get::<Option<i64>, _>(column)?.map(|micros| instant(micros, column)).transpose()
}

/// What kind of entries a row is about.
pub(super) fn kind(row: &SqliteRow) -> Result<EntryKind, StoreError> {
    word(row, "kind", EntryKind::from_word)
}

/// A sum, which may pass 2^63, where SQLite's own fails: it comes as those of the upper
/// and the lower 32 bits. Of no rows it is 0.
pub(super) fn sum(row: &SqliteRow, [high, low]: [&str; 2]) -> Result<i128, StoreError> {
    let (high, low): (Option<i64>, Option<i64>) = (row.try_get(high)?, row.try_get(low)?);
    Ok((i128::from(high.unwrap_or(0)) << 32) + i128::from(low.unwrap_or(0)))
}

pub(super) fn account(row: &SqliteRow) -> Result<Account, StoreError> {
    Ok(Account {
        user_id: row.try_get("user_id")?,
        status: word(row, "status", AccountStatus::from_word)?,
        user_version: row.try_get("user_version")?,
        email: row.try_get("email")?,
        username: row.try_get("username")?,
        display_name: row.try_get("display_name")?,
        available: row.try_get("available")?,
        reserved: row.try_get("reserved")?,
        last_seq: row.try_get("last_seq")?,
        last_entry_at: optional_time(row, "last_entry_at")?,
        pending: row.try_get("pending")?,
        next_due_at: optional_time(row, "next_due_at")?,
        welcome: word(row, "welcome", Welcome::from_word)?,
        chain_head: fixed(row, "chain_head")?,
    })
}

/// The JSON text in `column`.
fn json<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<T, StoreError> {
    serde_json::from_str(row.try_get(column)?)
        .map_err(|error| StoreError::Corrupt(format!("{column} is not what it should be: {error}")))
}

fn metadata(row: &SqliteRow) -> Result<Option<Value>, StoreError> {
    let text: Option<&str> = row.try_get("metadata")?;
    text.map(|_| json(row, "metadata")).transpose()
}

fn pricing(row: &SqliteRow) -> Result<Option<Pricing>, StoreError> {
    match row.try_get::<Option<i64>, _>("rate_version")? {
        Some(rate_version) => Ok(Some(Pricing { units: json(row, "units")?, rate_version })),
        None => Ok(None),
    }
}

pub(super) fn rate_version(row: &SqliteRow) -> Result<RateVersion, StoreError> {
    let card = RateCard::new(json(row, "units")?);
    Ok(RateVersion {
        resource: row.try_get("resource")?,
        version: row.try_get("version")?,
        effective_at: time(row, "effective_at")?,
        card: card
            .map_err(|wrong| StoreError::Corrupt(format!("a rate is not what it should be: {wrong:?}")))?,
        actor: row.try_get("actor")?,
        recorded_at: time(row, "recorded_at")?,
    })
}

pub(super) fn allocation(row: &SqliteRow) -> Result<Allocation, StoreError> {
    Ok(Allocation {
        id: row.try_get("id")?,
        credits: row.try_get("credits")?,
        remaining: row.try_get("remaining")?,
        reserved: row.try_get("reserved")?,
        priority: row.try_get("priority")?,
        effective_at: optional_time(row, "effective_at")?,
        is_pending: row.try_get("is_pending")?,
        expires_at: optional_time(row, "expires_at")?,
        is_voided: row.try_get("is_voided")?,
        reason: row.try_get("reason")?,
        metadata: metadata(row)?,
        actor: row.try_get("actor")?,
        recorded_at: time(row, "recorded_at")?,
    })
}

pub(super) fn usage(row: &SqliteRow) -> Result<Usage, StoreError> {
    Ok(Usage {
        id: row.try_get("id")?,
        credits: row.try_get("credits")?,
        refunded: row.try_get("refunded")?,
        uncollected: row.try_get("uncollected")?,
        pricing: pricing(row)?,
        resource: row.try_get("resource")?,
        metadata: metadata(row)?,
        reservation_id: row.try_get("reservation_id")?,
        draws: json(row, "draws")?,
        actor: row.try_get("actor")?,
        recorded_at: time(row, "recorded_at")?,
    })
}

pub(super) fn reservation(row: &SqliteRow) -> Result<Reservation, StoreError> {
    Ok(Reservation {
        id: row.try_get("id")?,
        credits: row.try_get("credits")?,
        pricing: pricing(row)?,
        status: word(row, "status", ReservationStatus::from_word)?,
        expires_at: time(row, "expires_at")?,
        resource: row.try_get("resource")?,
        metadata: metadata(row)?,
        draws: json(row, "draws")?,
        usage_id: row.try_get("usage_id")?,
        actor: row.try_get("actor")?,
        recorded_at: time(row, "recorded_at")?,
        ended_at: optional_time(row, "ended_at")?,
    })
}

/// An entry that carries no seal, or whose seal does not matter.
pub(super) fn unsealed_entry(row: &SqliteRow) -> Result<Entry, StoreError> {
    Ok(Entry {
        seq: row.try_get("seq")?,
        kind: word(row, "kind", EntryKind::from_word)?,
        credits: row.try_get("credits")?,
        balance_after: row.try_get("balance_after")?,
        reserved_after: row.try_get("reserved_after")?,
        draws: json(row, "draws")?,
        reference: row.try_get("reference")?,
        counterparty: row.try_get("counterparty")?,
        actor: row.try_get("actor")?,
        reason: row.try_get("reason")?,
        recorded_at: time(row, "recorded_at")?,
        seal: Seal::default(),
    })
}

pub(super) fn entry(row: &SqliteRow) -> Result<Entry, StoreError> {
    let seal = Seal {
        made_digest: fixed(row, "made_digest")?,
        text_salt: fixed(row, "text_salt")?,
        text_digest: fixed(row, "text_digest")?,
        hash: fixed(row, "hash")?.ok_or_else(|| StoreError::Corrupt("an entry has no hash".to_owned()))?,
    };
    Ok(Entry { seal, ..unsealed_entry(row)? })
}

/// The bytes in `column`, of which there must be so many.
pub(super) fn fixed<const N: usize>(row: &SqliteRow, column: &str) -> Result<Option<[u8; N]>, StoreError> {
    let bytes: Option<&[u8]> = row.try_get(column)?;
    let fixed = bytes.map(<[u8; N]>::try_from).transpose();
    fixed.map_err(|_| StoreError::Corrupt(format!("{column} is not {N} bytes long")))
}

pub(super) fn key(row: &SqliteRow) -> Result<KeyRecord, StoreError> {
    let fingerprint: Vec<u8> = row.try_get("fingerprint")?;
    let fingerprint = fingerprint
        .try_into()
        .map_err(|_| StoreError::Corrupt("a fingerprint is not 32 bytes long".to_owned()))?;
    Ok(KeyRecord {
        key: IdempotencyKey { client: row.try_get("client")?, key: row.try_get("key")?, fingerprint },
        resource: row.try_get("resource")?,
        reply: row.try_get("reply")?,
        recorded_at: time(row, "recorded_at")?,
    })
}
