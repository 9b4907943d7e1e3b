//! Transferring: credits go from one account to another, and live no longer by that.
//!
//! Everything is checked on both accounts before either is changed. What is drawn from
//! one allocation arrives as an allocation of its own, with the same priority, beginning
//! and end.

use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::CREDITS_LIMIT;
use super::allocation::{Allocation, Share};
use super::command::Transfer;
use super::entry::{Draw, EntryKind};
use super::receipt::{Rejection, Reply};
use super::reply::{MovedView, TargetView, TransferReply, TransferView, reply};
use super::state::{AccountState, Booking};

/// How many allocations one transfer moves at most, so that neither its entries nor its
/// reply, nor the time for which it holds two accounts, grow without bound.
pub const MAX_MOVED: usize = 1_000;

/// The account that a transfer goes to, with what was due on it booked.
pub(super) struct Target<'a> {
    state: &'a mut AccountState,
    now: OffsetDateTime,
}

impl<'a> Target<'a> {
    /// Books what is due on `state` when the clock shows `now`.
    ///
    /// # Errors
    /// As [`AccountState::settle`], and [`Rejection::AccountBusy`] where more is due.
    pub(super) fn settled(state: &'a mut AccountState, now: OffsetDateTime) -> Result<Self, Rejection> {
        state.settle(now)?;
        state.require_settled(now)?;
        let now = state.account.decision_time(now);
        Ok(Self { state, now })
    }
}

/// What moves of one allocation of the source.
struct Moved {
    source: Allocation,
    credits: i64,
    /// The allocation that it becomes.
    arrived_as: Uuid,
}

/// Moves credits, from any account, closed ones too, to one that takes credits.
///
/// # Errors
/// [`Rejection`]; nothing was changed.
pub(super) fn transfer(
    (source, target): (&mut AccountState, Target<'_>),
    (order, actor): (&Transfer, &str),
    now: OffsetDateTime,
) -> Result<Reply, Rejection> {
    let moved = plan(source, order, now)?;
    let Target { state: target, now: target_now } = target;
    target.require_open()?;
    target.require_room(moved.iter().map(|one| one.credits).sum())?;
    // Never before what leaves was made: where a clock was set back, its time may be ahead.
    let pending = moved.iter().filter(|one| one.source.is_pending).map(|one| one.source.recorded_at);
    let left_at = pending.chain([now]).max().unwrap_or(now);
    leave(source, &moved, (order, actor), left_at);
    let target_seq = arrive(target, &moved, (order, actor, &source.account.user_id), target_now);
    let sum = |is_pending| {
        let counted = moved.iter().filter(|one| one.source.is_pending == is_pending);
        counted.map(|one| one.credits).sum()
    };
    let view = |one: &Moved| MovedView {
        allocation_id: one.source.id,
        arrived_as: one.arrived_as,
        credits: one.credits,
        is_pending: one.source.is_pending,
    };
    let seq = source.account.last_seq;
    let transfer = TransferView {
        id: order.transfer_id,
        from: source.account.user_id.clone(),
        to: order.to.clone(),
        credits: sum(false),
        pending: sum(true),
        reason: order.reason.clone(),
        allocations: moved.iter().map(view).collect(),
        seq,
    };
    let target = TargetView { user_id: order.to.clone(), seq: target_seq, after: target.after() };
    Ok(reply(format!("entries/{seq}"), &TransferReply { transfer, target, after: source.after() }))
}

/// What moves: of what is available in burn order, and with all of it what is pending.
fn plan(state: &AccountState, order: &Transfer, now: OffsetDateTime) -> Result<Vec<Moved>, Rejection> {
    if order.credits.is_some_and(|credits| !(1..CREDITS_LIMIT).contains(&credits)) {
        return Err(Rejection::CreditsOutOfRange);
    }
    let credits = order.credits.unwrap_or(state.account.available);
    let (mut shares, lacking) = state.plan_burn_of(MAX_MOVED, credits, now)?;
    let (drawn, movable) = (shares.len(), credits - lacking);
    if order.credits.is_none() {
        let pending = state.allocations.iter().filter(|one| one.is_pending);
        shares.extend(pending.map(|one| Share { allocation_id: one.id, credits: one.credits }));
    }
    if shares.len() > MAX_MOVED || (lacking > 0 && drawn == MAX_MOVED) {
        return Err(Rejection::TransferTooLarge { movable });
    }
    let pending: i64 = shares[drawn..].iter().map(|share| share.credits).sum();
    if lacking > 0 || (order.credits.is_none() && pending != state.account.pending) {
        return Err(Rejection::BooksDisagree);
    }
    if shares.is_empty() {
        return Err(Rejection::NothingToTransfer { reserved: state.account.reserved });
    }
    let moved = |(share, place): (Share, u128)| {
        let source = state.allocations.get(share.allocation_id).ok_or(Rejection::BooksDisagree)?.clone();
        let arrived_as = counted_up(order.transfer_id, place);
        Ok(Moved { source, credits: share.credits, arrived_as })
    };
    shares.into_iter().zip(1..).map(moved).collect()
}

/// The id that comes `steps` after `id`, of the same instant: RFC 9562 counts in the
/// random bits, so that what is made together sorts in the order in which it was.
fn counted_up(id: Uuid, steps: u128) -> Uuid {
    const RANDOM: u128 = (1 << 62) - 1;
    let id = id.as_u128();
    Uuid::from_u128((id & !RANDOM) | (id.wrapping_add(steps) & RANDOM))
}

fn leave(state: &mut AccountState, moved: &[Moved], (order, actor): (&Transfer, &str), at: OffsetDateTime) {
    let draw = |one: &Moved| {
        let remaining = if one.source.is_pending { 0 } else { -one.credits };
        Draw { allocation_id: one.source.id, remaining, reserved: 0 }
    };
    let draws = moved.iter().map(draw).collect();
    for one in moved.iter().filter(|one| one.source.is_pending) {
        state.account.pending -= one.credits;
        state.allocations.get_mut(one.source.id).into_iter().for_each(|left| left.is_pending = false);
    }
    let (kind, reference, reason) = (EntryKind::TransferOut, order.transfer_id, Some(order.reason.as_str()));
    state.book_between(Booking { kind, draws, reference, actor, reason, at }, &order.to);
}

/// Says the `seq` of the entry.
fn arrive(
    state: &mut AccountState,
    moved: &[Moved],
    (order, actor, from): (&Transfer, &str, &str),
    at: OffsetDateTime,
) -> i64 {
    let mut draws = Vec::with_capacity(moved.len());
    for one in moved {
        let is_pending = one.source.is_pending;
        let remaining = if is_pending { 0 } else { one.credits };
        draws.push(Draw { allocation_id: one.arrived_as, remaining, reserved: 0 });
        state.account.pending += if is_pending { one.credits } else { 0 };
        state.allocations.make(allocation(one, (order, actor, from), at));
    }
    let (kind, reference, reason) = (EntryKind::TransferIn, order.transfer_id, Some(order.reason.as_str()));
    state.book_between(Booking { kind, draws, reference, actor, reason, at }, from);
    let seq = state.account.last_seq;
    for one in moved {
        // Where a clock was set back, this account's time may be ahead of the other's.
        match one.source.effective_at.filter(|_| one.source.is_pending) {
            Some(begin) if begin > at => state.note_due(begin),
            Some(_) => state.begin(one.arrived_as, at),
            None => {}
        }
        state.drop_returned(&[Share { allocation_id: one.arrived_as, credits: one.credits }], at);
    }
    seq
}

fn allocation(
    moved: &Moved,
    (order, actor, from): (&Transfer, &str, &str),
    recorded_at: OffsetDateTime,
) -> Allocation {
    let origin = json!({"user_id": from, "allocation_id": moved.source.id, "transfer_id": order.transfer_id});
    Allocation {
        id: moved.arrived_as,
        credits: moved.credits,
        remaining: 0,
        reserved: 0,
        priority: moved.source.priority,
        // What has begun there has begun here, though this account's time may be behind.
        effective_at: moved.source.effective_at.filter(|at| moved.source.is_pending || *at <= recorded_at),
        is_pending: moved.source.is_pending,
        expires_at: moved.source.expires_at,
        is_voided: false,
        reason: Some(order.reason.clone()),
        metadata: Some(json!({"transferred_from": origin})),
        actor: actor.to_owned(),
        recorded_at,
    }
}

#[cfg(test)]
mod tests {
    use super::counted_up;
    use uuid::Uuid;

    #[test]
    fn ids_count_up_in_their_random_bits_alone() {
        let id = Uuid::try_parse("0192f1b3-1234-7abc-9234-0123456789ab").expect("an id");
        assert_eq!(counted_up(id, 0), id);
        assert_eq!(counted_up(id, 0x55).to_string(), "0192f1b3-1234-7abc-9234-012345678a00");
        let last = Uuid::try_parse("0192f1b3-1234-7abc-bfff-ffffffffffff").expect("an id");
        assert_eq!(counted_up(last, 1).to_string(), "0192f1b3-1234-7abc-8000-000000000000");
    }
}
