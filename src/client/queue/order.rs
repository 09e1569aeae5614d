//! Moving jobs within the order of the queue.

use std::collections::HashSet;

use crate::client::api::job_id::JobId;

/// Moves `ids` by a number of places (negative: towards the front), each until there is no room, keeping the order
/// among themselves. Returns whether anything moved.
pub(super) fn move_by(order: &mut [JobId], ids: &[JobId], places: isize) -> bool {
    let chosen: HashSet<_> = ids.iter().copied().collect();
    if places > 0 {
        order.reverse();
    }
    let mut moved = false;
    // The jobs before this place were moved already; no other passes them.
    let mut taken = 0;
    for at in 0..order.len() {
        if chosen.contains(&order[at]) {
            let to = at.saturating_sub(places.unsigned_abs()).max(taken);
            order[to..=at].rotate_right(1);
            moved |= to != at;
            taken = to + 1;
        }
    }
    if places > 0 {
        order.reverse();
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moved(count: u64, ids: &[u64], places: isize) -> Vec<u64> {
        let mut order: Vec<_> = (0..count).map(JobId).collect();
        let ids: Vec<_> = ids.iter().copied().map(JobId).collect();
        move_by(&mut order, &ids, places);
        order.into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn groups_move_and_stop_at_the_ends() {
        assert_eq!(moved(5, &[3], -1), [0, 1, 3, 2, 4]);
        assert_eq!(moved(5, &[1], 2), [0, 2, 3, 1, 4]);
        assert_eq!(moved(5, &[0, 1], -1), [0, 1, 2, 3, 4]);
        assert_eq!(moved(5, &[1, 3], -1), [1, 0, 3, 2, 4]);
        assert_eq!(moved(5, &[0, 2], -1), [0, 2, 1, 3, 4]);
        assert_eq!(moved(5, &[3, 1], 99), [0, 2, 4, 1, 3]);
        assert_eq!(moved(5, &[9], 1), [0, 1, 2, 3, 4]);
        assert_eq!(moved(3, &[0], isize::MIN), [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_orders_are_kept(
            count in 0u64..30, ids in prop::collection::vec(0u64..40, 0..10), places in -40isize..40,
        ) {
            let order = moved(count, &ids, places);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..count).collect::<Vec<_>>());
            for group in [true, false] {
                let part: Vec<_> = order.iter().filter(|id| ids.contains(id) == group).collect();
                prop_assert!(part.is_sorted());
            }
        }
    }
}
