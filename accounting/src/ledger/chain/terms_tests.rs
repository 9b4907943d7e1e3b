//! That entries and rows vouch for everything that never changes of what was made.

use time::Duration;
use uuid::Uuid;

use super::{Digest, Made, Seal, made_digest, matches_texts, row_digest, text_digest};
use crate::ledger::cost::Pricing;
use crate::ledger::{Allocation, Reservation, Share, Usage, rows};
use crate::rates::Units;

fn priced(tokens: u64, rate_version: i64) -> Pricing {
    let units = Units::new([("tokens".to_owned(), tokens)].into()).expect("units");
    Pricing { units, rate_version }
}

fn share(credits: i64) -> Vec<Share> {
    vec![Share { allocation_id: Uuid::from_u128(7), credits }]
}

/// What vouches for something in the entry and in its row.
fn digests(made: Made<'_>) -> (Digest, Digest) {
    assert_ne!(row_digest("u", made), row_digest("v", made), "whose it is");
    (made_digest(&[made]).expect("something was made"), row_digest("u", made))
}

type Changes<T> = [fn(&mut T)];

/// That each change of `row` is in both digests, or in none.
fn check<T: Clone>(
    row: &T,
    digests: impl Fn(&T) -> (Digest, Digest),
    (in_all, in_none): (&Changes<T>, &Changes<T>),
) {
    let before = digests(row);
    for (number, change) in in_all.iter().enumerate() {
        let mut other = row.clone();
        change(&mut other);
        let after = digests(&other);
        assert!(after.0 != before.0 && after.1 != before.1, "change {number}");
    }
    for (number, change) in in_none.iter().enumerate() {
        let mut other = row.clone();
        change(&mut other);
        assert_eq!(digests(&other), before, "change {number}");
    }
}

#[test]
fn what_never_changes_of_a_row_is_in_its_digests() {
    let allocation = rows::allocation(1);
    check(
        &allocation,
        |one| digests(Made::Allocation(one)),
        (
            &[
                |one| one.id = Uuid::from_u128(2),
                |one| one.credits += 1,
                |one| one.priority += 1,
                |one| one.effective_at = Some(one.recorded_at),
                |one| one.expires_at = Some(one.recorded_at),
                |one| one.actor.push('x'),
                |one| one.recorded_at += Duration::MICROSECOND,
            ],
            &[
                |one| one.remaining -= 1,
                |one| one.reserved += 1,
                |one| one.is_pending = true,
                |one| one.is_voided = true,
                |one| one.reason = Some("a gift".to_owned()),
            ],
        ),
    );
    let usage = Usage { pricing: Some(priced(1, 1)), draws: share(10), ..rows::usage(1) };
    check(
        &usage,
        |one| digests(Made::Usage(one)),
        (
            &[
                |one| one.id = Uuid::from_u128(2),
                |one| one.credits += 1,
                |one| one.uncollected += 1,
                |one| one.pricing = None,
                |one| one.pricing = Some(priced(2, 1)),
                |one| one.pricing = Some(priced(1, 2)),
                |one| one.reservation_id = Some(Uuid::from_u128(3)),
                |one| one.reservation_id = Some(Uuid::from_u128(4)),
                |one| one.draws = share(9),
                |one| one.draws.clear(),
                |one| one.actor.push('x'),
                |one| one.recorded_at += Duration::MICROSECOND,
            ],
            &[|one| one.refunded += 1, |one| one.resource = Some("chat".to_owned())],
        ),
    );
    let reservation = Reservation { pricing: Some(priced(1, 1)), draws: share(5), ..rows::reservation(1) };
    check(
        &reservation,
        |one| digests(Made::Reservation(one)),
        (
            &[
                |one| one.id = Uuid::from_u128(2),
                |one| one.credits += 1,
                |one| one.pricing = None,
                |one| one.draws.clear(),
                |one| one.actor.push('x'),
                |one| one.recorded_at += Duration::MICROSECOND,
            ],
            &[|one| one.ended_at = Some(one.recorded_at), |one| one.resource = Some("chat".to_owned())],
        ),
    );
}

#[test]
fn two_instants_and_two_ids_are_told_apart() {
    let ends = |seconds| {
        let row = rows::allocation(1);
        let end = row.recorded_at + Duration::seconds(seconds);
        made_digest(&[Made::Allocation(&Allocation { expires_at: Some(end), ..row })])
    };
    assert_ne!(ends(1), ends(2));
    let captures = |id| {
        let reservation_id = Some(Uuid::from_u128(id));
        made_digest(&[Made::Usage(&Usage { reservation_id, ..rows::usage(1) })])
    };
    assert_ne!(captures(1), captures(2));
}

#[test]
fn until_when_a_reservation_holds_is_in_its_row_alone() {
    let held = rows::reservation(1);
    let longer = Reservation { expires_at: held.expires_at + Duration::SECOND, ..held.clone() };
    let (held, longer) = (Made::Reservation(&held), Made::Reservation(&longer));
    assert_eq!(made_digest(&[held]), made_digest(&[longer]));
    assert_ne!(row_digest("u", held), row_digest("u", longer));
}

#[test]
fn texts_of_what_was_made_cannot_be_changed() {
    let metadata = serde_json::json!({"order": 17});
    let allocation = Allocation {
        reason: Some("a gift".to_owned()),
        metadata: Some(metadata.clone()),
        ..rows::allocation(1)
    };
    let usage = Usage { resource: Some("a gift".to_owned()), ..rows::usage(2) };
    let reservation = Reservation { metadata: Some(metadata), ..rows::reservation(3) };
    let all = [Made::Allocation(&allocation), Made::Usage(&usage), Made::Reservation(&reservation)];
    assert_eq!(all.map(|made| made.id().as_u128()), [1, 2, 3]);
    let plain = (rows::allocation(1), rows::usage(2), rows::reservation(3));
    let plain = [Made::Allocation(&plain.0), Made::Usage(&plain.1), Made::Reservation(&plain.2)];
    for (made, plain) in all.into_iter().zip(plain) {
        let salt = [3; 16];
        let text_digest = text_digest(&salt, None, &[made]);
        let seal = Seal { text_salt: Some(salt), text_digest, ..Seal::default() };
        assert!(matches_texts(&seal, None, &[made]), "{made:?}");
        assert!(!matches_texts(&seal, None, &[plain]), "{made:?}");
    }
    let other = Allocation { reason: Some("a loan".to_owned()), ..allocation.clone() };
    let digest = |one| text_digest(&[3; 16], None, &[Made::Allocation(one)]);
    assert_ne!(digest(&allocation), digest(&other));
    let other = Allocation { metadata: None, ..allocation.clone() };
    assert_ne!(digest(&allocation), digest(&other));
    assert_eq!(made_digest(&[]), None);
}
