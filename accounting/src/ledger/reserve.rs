//! Reserving: credits are held for a time, given back, held for longer.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::chain::Made;
use super::command::Reserve;
use super::entry::EntryKind;
use super::policies::Policies;
use super::receipt::{Rejection, Reply};
use super::reply::{ReservationReply, reply};
use super::reservation::{MAX_HOLD_S, Reservation, ReservationStatus};
use super::state::{AccountState, Booking, draws};

/// Holds credits.
///
/// # Errors
/// [`Rejection`]; nothing was changed.
pub(super) fn reserve(
    state: &mut AccountState,
    (order, actor): (&Reserve, &str),
    policies: Policies,
    now: OffsetDateTime,
) -> Result<Reply, Rejection> {
    let charge = state.charge(&order.cost, order.resource.as_deref())?;
    let expires_at = end_of_hold(order.expires_in_s, now)?;
    state.require_spending(policies)?;
    let shares = state.plan_burn(charge.credits, now)?;
    let (kind, reference) = (EntryKind::Reservation, order.reservation_id);
    let draws = draws(&shares, (-1, 1));
    let reservation = Reservation {
        id: order.reservation_id,
        credits: charge.credits,
        pricing: charge.pricing,
        status: ReservationStatus::Held,
        expires_at,
        resource: order.resource.clone(),
        metadata: order.metadata.clone(),
        draws: shares,
        usage_id: None,
        actor: actor.to_owned(),
        recorded_at: now,
        ended_at: None,
    };
    let booking = Booking { kind, draws, reference, actor, reason: None, at: now };
    state.book_making(booking, Made::Reservation(&reservation));
    state.note_due(expires_at);
    state.reservations.make(reservation);
    reply_about(state, reference)
}

/// Gives back what a reservation holds. Closed accounts may, too.
///
/// # Errors
/// [`Rejection`]; nothing was changed.
pub(super) fn release(
    state: &mut AccountState,
    (id, actor): (Uuid, &str),
    now: OffsetDateTime,
) -> Result<Reply, Rejection> {
    state.require_held(&held(state, id)?.draws)?;
    state.give_back(id, now, (actor, ReservationStatus::Released));
    reply_about(state, id)
}

/// Holds for longer. It never shortens.
///
/// # Errors
/// [`Rejection`]; nothing was changed.
pub(super) fn extend(
    state: &mut AccountState,
    (id, expires_in_s): (Uuid, i64),
    policies: Policies,
    now: OffsetDateTime,
) -> Result<Reply, Rejection> {
    let end = end_of_hold(expires_in_s, now)?;
    held(state, id)?;
    state.require_spending(policies)?;
    if let Some(reservation) = state.reservations.get_mut(id) {
        reservation.expires_at = reservation.expires_at.max(end);
    }
    // Whatever is written goes with its account, which a store has locked or makes.
    state.is_changed = true;
    reply_about(state, id)
}

/// The reservation with this id, if it still holds its credits.
pub(super) fn held(state: &AccountState, id: Uuid) -> Result<&Reservation, Rejection> {
    let reservation = state.reservations.get(id).ok_or(Rejection::ReservationNotFound)?;
    match reservation.status {
        ReservationStatus::Held => Ok(reservation),
        status => Err(Rejection::ReservationEnded { status }),
    }
}

fn end_of_hold(expires_in_s: i64, now: OffsetDateTime) -> Result<OffsetDateTime, Rejection> {
    if !(1..=MAX_HOLD_S).contains(&expires_in_s) {
        return Err(Rejection::HoldOutOfRange);
    }
    now.checked_add(Duration::seconds(expires_in_s)).ok_or(Rejection::HoldOutOfRange)
}

fn reply_about(state: &AccountState, id: Uuid) -> Result<Reply, Rejection> {
    let reservation = state.reservations.get(id).ok_or(Rejection::ReservationNotFound)?;
    let body = ReservationReply { reservation: state.reservation_view(reservation), after: state.after() };
    Ok(reply(format!("reservations/{id}"), &body))
}
