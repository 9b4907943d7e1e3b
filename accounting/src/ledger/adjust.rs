//! Adjusting: an operator corrects what is available. What is reserved stays.

use time::OffsetDateTime;

use super::CREDITS_LIMIT;
use super::allocation::{Allocation, DEFAULT_PRIORITY, Share};
use super::command::{Adjust, Correction};
use super::entry::EntryKind;
use super::receipt::{Rejection, Reply};
use super::reply::{AdjustmentReply, AdjustmentView, reply};
use super::state::{AccountState, Booking, draws};

/// Corrects the balance. Credits that come in make an allocation without an end;
/// credits that go are drawn in burn order, from closed accounts too.
///
/// # Errors
/// [`Rejection`]; nothing was changed.
pub(super) fn adjust(
    state: &mut AccountState,
    (order, actor): (&Adjust, &str),
    now: OffsetDateTime,
) -> Result<Reply, Rejection> {
    let credits = change(state, order.change)?;
    let reason = Some(order.reason.as_str());
    let (kind, id) = (EntryKind::Adjustment, order.adjustment_id);
    let allocations = if credits > 0 {
        state.require_open()?;
        state.require_room(credits)?;
        state.credit(kind, allocation(order, credits, actor, now), reason);
        vec![Share { allocation_id: id, credits }]
    } else {
        // A balance that is right already is booked too: it was looked at, and why.
        let shares = state.plan_burn(-credits, now)?;
        let draws = draws(&shares, (-1, 0));
        state.book(Booking { kind, draws, reference: id, actor, reason, at: now });
        shares
    };
    let seq = state.account.last_seq;
    let adjustment = AdjustmentView { id, credits, reason: order.reason.clone(), allocations, seq };
    let body = AdjustmentReply { adjustment, after: state.after() };
    Ok(reply(format!("entries/{seq}"), &body))
}

/// What `correction` comes to: computed here, under the account's lock, so that two
/// at once cannot both start from the old balance.
fn change(state: &AccountState, correction: Correction) -> Result<i64, Rejection> {
    match correction {
        Correction::By(credits) if credits != 0 && (1 - CREDITS_LIMIT..CREDITS_LIMIT).contains(&credits) => {
            Ok(credits)
        }
        Correction::SetAvailable(credits) if (0..CREDITS_LIMIT).contains(&credits) => {
            Ok(credits - state.account.available)
        }
        _ => Err(Rejection::CreditsOutOfRange),
    }
}

fn allocation(order: &Adjust, credits: i64, actor: &str, now: OffsetDateTime) -> Allocation {
    Allocation {
        id: order.adjustment_id,
        credits,
        remaining: 0,
        reserved: 0,
        priority: DEFAULT_PRIORITY,
        effective_at: None,
        is_pending: false,
        expires_at: None,
        is_voided: false,
        reason: Some(order.reason.clone()),
        metadata: None,
        actor: actor.to_owned(),
        recorded_at: now,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ledger::account::Account;

    fn state() -> AccountState {
        AccountState::new(Account::placeholder("u"))
    }

    #[test]
    fn a_correction_keeps_within_the_limits() {
        let mut state = state();
        state.account.available = 7;
        for (correction, credits) in [
            (Correction::By(0), None),
            (Correction::By(1), Some(1)),
            (Correction::By(-1), Some(-1)),
            (Correction::By(CREDITS_LIMIT - 1), Some(CREDITS_LIMIT - 1)),
            (Correction::By(CREDITS_LIMIT), None),
            (Correction::By(1 - CREDITS_LIMIT), Some(1 - CREDITS_LIMIT)),
            (Correction::By(-CREDITS_LIMIT), None),
            (Correction::SetAvailable(-1), None),
            (Correction::SetAvailable(0), Some(-7)),
            (Correction::SetAvailable(7), Some(0)),
            (Correction::SetAvailable(CREDITS_LIMIT - 1), Some(CREDITS_LIMIT - 8)),
            (Correction::SetAvailable(CREDITS_LIMIT), None),
        ] {
            let expected = credits.ok_or(Rejection::CreditsOutOfRange);
            assert_eq!(change(&state, correction), expected, "{correction:?}");
        }
    }

    #[test]
    fn what_is_right_already_is_booked_and_makes_nothing() {
        let mut state = state();
        let (adjustment_id, change) = (Uuid::from_u128(1), Correction::SetAvailable(0));
        let order = Adjust { adjustment_id, change, reason: "counted".to_owned() };
        adjust(&mut state, (&order, "operator"), OffsetDateTime::UNIX_EPOCH).expect("it is right");
        assert!(state.allocations.get(adjustment_id).is_none());
        assert_eq!(state.entries.len(), 1);
        assert!(state.entries[0].draws.is_empty());
    }
}
