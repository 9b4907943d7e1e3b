//! What every ledger store promises: the same functions over PostgreSQL and SQLite.

mod auditing;
mod booking;
mod clocks;
mod explaining;
mod fixture;
mod histories;
mod holding;
mod mutating;
mod outbox;
mod pricing;
mod racing;
mod racing_spends;
mod reading;
mod refusing;
mod relaying;
mod sealing;
mod spending;
mod standing;
mod summing;
mod transferring;

/// Runs each of the functions named over each store.
macro_rules! over_both_stores {
    ($($function:path as $name:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    $function(crate::fixture::Fixture::sqlite()).await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    if let Some(fixture) = crate::fixture::Fixture::postgres().await {
                        $function(fixture).await;
                    }
                }
            )+
        }
    };
}

over_both_stores! {
    crate::booking::credits_wait_on_a_placeholder as credits_wait_on_a_placeholder,
    crate::booking::a_key_is_answered_alike_and_later_by_address as a_key_is_answered_alike_and_later_by_address,
    crate::booking::a_batch_posted_again_is_answered_alike as a_batch_posted_again_is_answered_alike,
    crate::booking::a_batch_keeps_the_order_of_one_user as a_batch_keeps_the_order_of_one_user,
    crate::booking::what_ran_out_is_booked_and_never_shown as what_ran_out_is_booked_and_never_shown,
    crate::booking::welcome_credits_come_once as welcome_credits_come_once,
    crate::booking::everything_is_found_after_reopening as everything_is_found_after_reopening,
    crate::racing::first_allocations_of_two_processes_add_up as first_allocations_of_two_processes_add_up,
    crate::racing::one_key_through_two_processes_applies_once as one_key_through_two_processes_applies_once,
    crate::racing::hammering_keeps_the_books as hammering_keeps_the_books,
    crate::racing::events_and_credits_in_any_order as events_and_credits_in_any_order,
    crate::reading::pages_show_each_account_once as pages_show_each_account_once,
    crate::reading::entries_come_page_by_page as entries_come_page_by_page,
    crate::standing::accounts_come_in_byte_order as accounts_come_in_byte_order,
    crate::standing::an_orphan_is_kept_and_lifted as an_orphan_is_kept_and_lifted,
    crate::standing::who_is_not_there_is_told as who_is_not_there_is_told,
    crate::explaining::a_balance_is_explained_at_every_instant as a_balance_is_explained_at_every_instant,
    crate::explaining::sums_beyond_any_balance_are_shown as sums_beyond_any_balance_are_shown,
    crate::explaining::entries_of_a_period_are_found as entries_of_a_period_are_found,
    crate::summing::usage_is_summed_by_day_user_and_resource as usage_is_summed_by_day_user_and_resource,
    crate::summing::usage_is_summed_by_month as usage_is_summed_by_month,
    crate::refusing::a_rejection_disturbs_nobody as a_rejection_disturbs_nobody,
    crate::refusing::an_account_that_cannot_be_right_fails_alone as an_account_that_cannot_be_right_fails_alone,
    crate::refusing::a_refused_value_fails_alone as a_refused_value_fails_alone,
    crate::spending::credits_burn_in_order_and_come_back as credits_burn_in_order_and_come_back,
    crate::spending::a_refused_spend_leaves_nothing_behind as a_refused_spend_leaves_nothing_behind,
    crate::spending::many_small_allocations_are_spent_together as many_small_allocations_are_spent_together,
    crate::spending::voids_and_corrections_are_kept as voids_and_corrections_are_kept,
    crate::spending::who_may_not_spend_is_told as who_may_not_spend_is_told,
    crate::holding::very_much_that_is_due_is_booked_in_steps as very_much_that_is_due_is_booked_in_steps,
    crate::holding::a_reservation_is_held_captured_and_refunded as a_reservation_is_held_captured_and_refunded,
    crate::holding::what_is_due_shows_before_it_is_booked as what_is_due_shows_before_it_is_booked,
    crate::holding::the_sweep_books_what_is_due as the_sweep_books_what_is_due,
    crate::pricing::rates_are_kept_version_by_version as rates_are_kept_version_by_version,
    crate::pricing::rates_set_at_once_lose_no_version as rates_set_at_once_lose_no_version,
    crate::pricing::units_cost_what_the_rate_in_force_says as units_cost_what_the_rate_in_force_says,
    crate::pricing::what_is_held_for_units_is_captured_by_units as what_is_held_for_units_is_captured_by_units,
    crate::pricing::what_is_free_is_booked_for_anybody as what_is_free_is_booked_for_anybody,
    crate::racing_spends::of_fifty_spends_ten_succeed as of_fifty_spends_ten_succeed,
    crate::racing_spends::one_spend_sent_fifty_times_applies_once as one_spend_sent_fifty_times_applies_once,
    crate::racing_spends::of_captures_at_once_one_wins as of_captures_at_once_one_wins,
    crate::racing_spends::corrections_at_once_both_count as corrections_at_once_both_count,
    crate::auditing::a_history_audits_clean_and_any_change_is_found
        as a_history_audits_clean_and_any_change_is_found,
    crate::auditing::of_many_findings_on_one_account_some_are_told
        as of_many_findings_on_one_account_some_are_told,
    crate::mutating::a_changed_row_is_found_whichever_column_it_is
        as a_changed_row_is_found_whichever_column_it_is,
    crate::mutating::every_row_that_is_lost_or_added_is_found as every_row_that_is_lost_or_added_is_found,
    crate::sealing::sealing_goes_on_where_it_was_killed as sealing_goes_on_where_it_was_killed,
    crate::auditing::what_is_made_never_to_begin_is_found as what_is_made_never_to_begin_is_found,
    crate::auditing::odd_numbers_in_metadata_are_kept as odd_numbers_in_metadata_are_kept,
    crate::explaining::clocks_that_are_apart_leave_it_explained as clocks_that_are_apart_leave_it_explained,
    crate::auditing::an_anchor_finds_what_agrees_with_itself as an_anchor_finds_what_agrees_with_itself,
    crate::auditing::erasing_a_reason_breaks_nothing as erasing_a_reason_breaks_nothing,
    crate::auditing::live_load_is_no_drift as live_load_is_no_drift,
    crate::racing_spends::refusals_on_new_accounts_disturb_no_first_allocation
        as refusals_on_new_accounts_disturb_no_first_allocation,
    crate::outbox::what_is_booked_is_told_with_it as what_is_booked_is_told_with_it,
    crate::outbox::what_is_not_booked_is_not_told as what_is_not_booked_is_not_told,
    crate::outbox::events_survive_the_process as events_survive_the_process,
    crate::outbox::a_claim_gives_each_event_once as a_claim_gives_each_event_once,
    crate::outbox::an_old_token_marks_and_releases_nothing as an_old_token_marks_and_releases_nothing,
    crate::outbox::a_lease_of_a_wrong_clock_is_taken as a_lease_of_a_wrong_clock_is_taken,
    crate::outbox::only_what_was_confirmed_goes as only_what_was_confirmed_goes,
    crate::outbox::what_is_released_can_be_claimed_at_once as what_is_released_can_be_claimed_at_once,
    crate::outbox::a_claim_keeps_to_its_limit_and_the_order as a_claim_keeps_to_its_limit_and_the_order,
    crate::outbox::the_backlog_is_counted_and_timed as the_backlog_is_counted_and_timed,
    crate::relaying::one_relay_keeps_the_order_of_each_account as one_relay_keeps_the_order_of_each_account,
    crate::relaying::two_relays_lose_nothing as two_relays_lose_nothing,
    crate::relaying::a_commit_is_published_at_once as a_commit_is_published_at_once,
    crate::relaying::what_is_left_when_events_are_off_is_published as what_is_left_when_events_are_off_is_published,
    crate::transferring::all_that_is_not_held_moves as all_that_is_not_held_moves,
    crate::transferring::what_is_refused_moves_nothing as what_is_refused_moves_nothing,
    crate::transferring::a_batch_moves_and_spends_in_order as a_batch_moves_and_spends_in_order,
    crate::transferring::many_small_allocations_move_in_parts
        as many_small_allocations_move_in_parts,
    crate::transferring::what_fell_due_hides_nothing_pending as what_fell_due_hides_nothing_pending,
    crate::transferring::too_many_pending_allocations_are_told
        as too_many_pending_allocations_are_told,
    crate::transferring::one_transfer_sent_fifty_times_applies_once
        as one_transfer_sent_fifty_times_applies_once,
    crate::transferring::opposite_transfers_at_once_both_pass
        as opposite_transfers_at_once_both_pass,
    crate::transferring::transfers_in_a_ring_lose_nothing as transfers_in_a_ring_lose_nothing,
    crate::transferring::the_key_of_a_batch_is_taken_once as the_key_of_a_batch_is_taken_once,
}
