//! What every ledger store promises: the same functions over PostgreSQL and SQLite.

mod booking;
mod fixture;
mod racing;
mod reading;
mod refusing;

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
}
