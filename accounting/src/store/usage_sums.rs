//! Usage summed: of which days, by what, page by page.

use time::{Date, Duration};

/// Days of UTC, `since` the first and `until` the first after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// The first day.
    pub since: Date,
    /// The first day after them.
    pub until: Date,
}

impl Days {
    /// The same without those after `day`.
    pub(super) fn through(self, day: Date) -> Self {
        Self { until: day.saturating_add(Duration::DAY).min(self.until), ..self }
    }

    /// Each of them, the last one first.
    pub(super) fn newest_first(self) -> impl Iterator<Item = Date> {
        let before = move |day: &Date| day.previous_day().filter(|day| *day >= self.since);
        std::iter::successors(before(&self.until), before)
    }

    /// The first day of each month that has some of them, and which; the last one first.
    pub(super) fn months(self) -> impl Iterator<Item = (Date, Self)> {
        let first = |day: Date| day.replace_day(1).unwrap_or(day);
        let last = self.until.previous_day().filter(|day| *day >= self.since).map(first);
        let before = move |month: &Date| month.previous_day().filter(|day| *day >= self.since).map(first);
        std::iter::successors(last, before).map(move |month| {
            let next = first(month.saturating_add(Duration::days(31)));
            (month, Self { since: month.max(self.since), until: next.min(self.until) })
        })
    }

    /// How many they are.
    #[must_use]
    pub fn count(self) -> i64 {
        (self.until - self.since).whole_days()
    }
}

/// Which usages to sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageFilter {
    /// Those of these days.
    pub days: Days,
    /// Those of this user; none for everybody's.
    pub user_id: Option<String>,
    /// Those for this resource.
    pub resource: Option<String>,
}

/// The usages of a user for a resource in a day or a month, summed. Sums may pass 2^63,
/// though no balance ever does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageSum {
    /// The day, or the first of the month.
    pub begin: Date,
    /// Whose they are.
    pub user_id: String,
    /// What they were for, where they name it.
    pub resource: Option<String>,
    /// What they drew.
    pub credits: i128,
    /// What of it came back, on whichever day.
    pub refunded: i128,
    /// What captures among them could not draw.
    pub uncollected: i128,
    /// How many they are.
    pub count: i64,
}

/// Where a page of sums ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsagePosition {
    /// The last sum's `begin`.
    pub begin: Date,
    /// Its user.
    pub user_id: String,
    /// Its resource.
    pub resource: Option<String>,
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn days_and_months_are_counted_from_the_last() {
        let days = Days { since: date!(2026 - 01 - 30), until: date!(2026 - 03 - 02) };
        assert_eq!(days.count(), 31);
        let each: Vec<Date> = days.newest_first().collect();
        assert_eq!((each.len(), each[0], each[30]), (31, date!(2026 - 03 - 01), date!(2026 - 01 - 30)));
        let months: Vec<(Date, Days)> = days.months().collect();
        let part = |since, until| Days { since, until };
        let expected = [
            (date!(2026 - 03 - 01), part(date!(2026 - 03 - 01), date!(2026 - 03 - 02))),
            (date!(2026 - 02 - 01), part(date!(2026 - 02 - 01), date!(2026 - 03 - 01))),
            (date!(2026 - 01 - 01), part(date!(2026 - 01 - 30), date!(2026 - 02 - 01))),
        ];
        assert_eq!(months, expected);
        let cut = days.through(date!(2026 - 01 - 30));
        assert_eq!(cut.newest_first().collect::<Vec<_>>(), [date!(2026 - 01 - 30)]);
        let none = Days { since: days.until, until: days.since };
        assert_eq!((none.newest_first().count(), none.months().count()), (0, 0));
    }
}
