//! Values as bytes that can be read in one way only, hashed as they come.

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Digest;

/// Hashes values. Numbers have 8 bytes, the highest first; texts have their length, of 4
/// bytes, before them; what may be missing has a byte before it, 0 or 1.
pub(super) struct Encoder(Sha256);

impl Encoder {
    /// Begins with `domain`, which no other encoding begins with.
    pub(super) fn new(domain: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(domain);
        Self(hasher)
    }

    /// Bytes of a fixed length.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.update([byte]);
    }

    pub(super) fn number(&mut self, number: i64) {
        self.0.update(number.to_be_bytes());
    }

    /// In 8 bytes as well.
    pub(super) fn unsigned(&mut self, number: u64) {
        self.0.update(number.to_be_bytes());
    }

    /// How many of something follow.
    ///
    /// # Panics
    /// Beyond 2^32: far more than fits in one row.
    pub(super) fn count(&mut self, count: usize) {
        let count = u32::try_from(count).expect("a row holds far less than 2^32 of anything");
        self.0.update(count.to_be_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text);
    }

    pub(super) fn optional_text(&mut self, text: Option<&str>) {
        self.byte(u8::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    pub(super) fn id(&mut self, id: Uuid) {
        self.0.update(id.as_bytes());
    }

    pub(super) fn optional_id(&mut self, id: Option<Uuid>) {
        self.byte(u8::from(id.is_some()));
        if let Some(id) = id {
            self.id(id);
        }
    }

    /// Whole microseconds since 1970, which is what stores keep.
    pub(super) fn time(&mut self, at: OffsetDateTime) {
        let micros = at.unix_timestamp_nanos().div_euclid(1_000);
        self.number(i64::try_from(micros).unwrap_or(i64::MAX));
    }

    pub(super) fn optional_time(&mut self, at: Option<OffsetDateTime>) {
        self.byte(u8::from(at.is_some()));
        if let Some(at) = at {
            self.time(at);
        }
    }

    pub(super) fn optional_digest(&mut self, digest: Option<&Digest>) {
        self.byte(u8::from(digest.is_some()));
        if let Some(digest) = digest {
            self.bytes(digest);
        }
    }

    pub(super) fn finish(self) -> Digest {
        self.0.finalize().into()
    }
}
