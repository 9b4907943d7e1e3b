//! What every ledger store promises: the same functions over PostgreSQL and SQLite.

mod auditing;
mod booking;
mod fixture;
mod histories;
mod holding;
mod racing;
mod racing_spends;
mod reading;
mod refusing;
mod spending;

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
    crate::refusing::a_rejection_disturbs_nobody as a_rejection_disturbs_nobody,
    crate::refusing::a_refused_value_fails_alone as a_refused_value_fails_alone,
    crate::spending::credits_burn_in_order_and_come_back as credits_burn_in_order_and_come_back,
    crate::spending::a_refused_spend_leaves_nothing_behind as a_refused_spend_leaves_nothing_behind,
    crate::spending::many_small_allocations_are_spent_together as many_small_allocations_are_spent_together,
    crate::spending::voids_and_corrections_are_kept as voids_and_corrections_are_kept,
    crate::spending::who_may_not_spend_is_told as who_may_not_spend_is_told,
    crate::holding::a_reservation_is_held_captured_and_refunded as a_reservation_is_held_captured_and_refunded,
    crate::holding::what_is_due_shows_before_it_is_booked as what_is_due_shows_before_it_is_booked,
    crate::holding::the_sweep_books_what_is_due as the_sweep_books_what_is_due,
    crate::racing_spends::of_fifty_spends_ten_succeed as of_fifty_spends_ten_succeed,
    crate::racing_spends::one_spend_sent_fifty_times_applies_once as one_spend_sent_fifty_times_applies_once,
    crate::racing_spends::of_captures_at_once_one_wins as of_captures_at_once_one_wins,
    crate::racing_spends::corrections_at_once_both_count as corrections_at_once_both_count,
    crate::auditing::a_history_audits_clean_and_any_change_is_found
        as a_history_audits_clean_and_any_change_is_found,
    crate::auditing::an_anchor_finds_what_agrees_with_itself as an_anchor_finds_what_agrees_with_itself,
    crate::auditing::erasing_a_reason_breaks_nothing as erasing_a_reason_breaks_nothing,
    crate::auditing::live_load_is_no_drift as live_load_is_no_drift,
    crate::racing_spends::refusals_on_new_accounts_disturb_no_first_allocation
        as refusals_on_new_accounts_disturb_no_first_allocation,
}
