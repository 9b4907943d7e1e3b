//! Used refresh tokens as stores keep them: the digests, and when the last of them were
//! exchanged.

use accrue_chassis::clock::{from_micros, to_micros};
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::{Digest, UsedToken};

/// The tokens of these digests. There are fewer times where some tokens were used
/// before times were written: the last times belong to the last tokens.
pub(super) fn pair(digests: Vec<Digest>, times: Vec<OffsetDateTime>) -> Vec<UsedToken> {
    let without = digests.len().saturating_sub(times.len());
    let extra = times.len().saturating_sub(digests.len());
    let times = std::iter::repeat_n(None, without).chain(times.into_iter().skip(extra).map(Some));
    digests.into_iter().zip(times).map(|(digest, at)| UsedToken { digest, at }).collect()
}

/// The digests and times that [`pair`] makes these tokens of.
pub(super) fn part(used: &[UsedToken]) -> (Vec<Digest>, Vec<OffsetDateTime>) {
    (used.iter().map(|token| token.digest).collect(), used.iter().filter_map(|token| token.at).collect())
}

/// The times as one value, 8 bytes each.
pub(super) fn join_times(times: &[OffsetDateTime]) -> Vec<u8> {
    times.iter().flat_map(|at| to_micros(*at).to_be_bytes()).collect()
}

/// The times that [`join_times`] made a value of.
pub(super) fn split_times(bytes: &[u8]) -> Result<Vec<OffsetDateTime>, StoreError> {
    let (times, rest) = bytes.as_chunks();
    let times = times.iter().map(|bytes| from_micros(i64::from_be_bytes(*bytes))).collect::<Option<_>>();
    times.filter(|_| rest.is_empty()).ok_or_else(|| StoreError::corrupt("no times of used tokens"))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_last_times_are_those_of_the_last_tokens() {
        let at = datetime!(2026-01-02 03:04:05 UTC);
        let token = |digest, at| UsedToken { digest: [digest; 32], at };
        let used = [token(1, None), token(2, None), token(3, Some(at))];
        let (digests, times) = part(&used);
        assert_eq!((digests.len(), times.as_slice()), (3, &[at][..]));
        assert_eq!(split_times(&join_times(&times)).expect("times"), times);
        assert_eq!(pair(digests.clone(), times), used);
        assert_eq!(pair(digests, vec![at; 4]), [1, 2, 3].map(|digest| token(digest, Some(at))));
        assert!(split_times(&[0; 7]).is_err());
    }
}
