//! Capturing: held credits are spent. Less than is held, and the rest comes back; more,
//! and what lacks is drawn from what is available.

use time::OffsetDateTime;

use super::allocation::{Share, split};
use super::chain::Made;
use super::command::{Capture, OnShortfall};
use super::cost::Charge;
use super::entry::EntryKind;
use super::policies::Policies;
use super::receipt::{Rejection, Reply};
use super::reply::{CaptureReply, reply};
use super::reservation::{Reservation, ReservationStatus};
use super::reserve::held;
use super::state::{AccountState, Booking, draws};
use super::usage::Usage;

/// What a capture takes from where.
struct Plan {
    /// Of what is held, in the order in which it was drawn.
    captured: Vec<Share>,
    /// The rest of it, which comes back.
    returned: Vec<Share>,
    /// Of what is available, on top.
    extra: Vec<Share>,
    /// What could not be drawn.
    uncollected: i64,
}

/// What a capture costs. One that names nothing costs what is held, and was for what
/// that was held for.
fn charge(state: &AccountState, order: &Capture, reservation: &Reservation) -> Result<Charge, Rejection> {
    match &order.cost {
        Some(cost) => state.charge(cost, reservation.resource.as_deref()),
        None => Ok(Charge { credits: reservation.credits, pricing: reservation.pricing.clone() }),
    }
}

/// Spends what a reservation holds. What was held before an account was suspended or
/// closed can still be captured; nothing can be drawn on top of it then.
///
/// # Errors
/// [`Rejection`]; nothing was changed.
pub(super) fn capture(
    state: &mut AccountState,
    (order, actor): (&Capture, &str),
    policies: Policies,
    now: OffsetDateTime,
) -> Result<Reply, Rejection> {
    let reservation = held(state, order.reservation_id)?.clone();
    let charge = charge(state, order, &reservation)?;
    let plan = plan(state, (charge.credits, order.on_shortfall, &reservation), policies, now)?;
    let mut changes = draws(&plan.captured, (0, -1));
    changes.extend(draws(&plan.returned, (1, -1)));
    changes.extend(draws(&plan.extra, (-1, 0)));
    let drawn: Vec<Share> = plan.captured.into_iter().chain(plan.extra).collect();
    let usage = Usage {
        id: order.usage_id,
        credits: drawn.iter().map(|share| share.credits).sum(),
        refunded: 0,
        uncollected: plan.uncollected,
        pricing: charge.pricing,
        resource: reservation.resource,
        metadata: reservation.metadata,
        reservation_id: Some(reservation.id),
        draws: drawn,
        actor: actor.to_owned(),
        recorded_at: now,
    };
    let (kind, reference) = (EntryKind::Capture, reservation.id);
    let booking = Booking { kind, draws: changes, reference, actor, reason: None, at: now };
    state.book_making(booking, Made::Usage(&usage));
    state.drop_returned(&plan.returned, now);
    if let Some(reservation) = state.reservations.get_mut(reservation.id) {
        reservation.status = ReservationStatus::Captured;
        reservation.usage_id = Some(order.usage_id);
        reservation.ended_at = Some(now);
    }
    state.usages.make(usage);
    let usage = state.usages.get(order.usage_id).ok_or(Rejection::UsageNotFound)?;
    let reservation = held_before(state, reservation.id)?;
    let body = CaptureReply {
        usage: state.usage_view(usage),
        reservation: state.reservation_view(reservation),
        after: state.after(),
    };
    Ok(reply(format!("usage/{}", order.usage_id), &body))
}

fn held_before(state: &AccountState, id: uuid::Uuid) -> Result<&Reservation, Rejection> {
    state.reservations.get(id).ok_or(Rejection::ReservationNotFound)
}

fn plan(
    state: &AccountState,
    (wanted, on_shortfall, reservation): (i64, OnShortfall, &Reservation),
    policies: Policies,
    now: OffsetDateTime,
) -> Result<Plan, Rejection> {
    state.require_held(&reservation.draws)?;
    let (captured, returned) = split(&reservation.draws, wanted);
    let lacking = (wanted - reservation.credits).max(0);
    if lacking == 0 {
        return Ok(Plan { captured, returned, extra: Vec::new(), uncollected: 0 });
    }
    let drawn = match (on_shortfall, state.require_spending(policies)) {
        (OnShortfall::Reject, Err(rejection)) => return Err(rejection),
        (OnShortfall::Reject, Ok(())) => lacking,
        (OnShortfall::Cap, Err(_)) => 0,
        (OnShortfall::Cap, Ok(())) => lacking.min(state.account.available),
    };
    let extra = state.plan_burn(drawn, now)?;
    Ok(Plan { captured, returned, extra, uncollected: lacking - drawn })
}
