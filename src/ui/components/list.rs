//! Rows of which one is selected and some are marked, by key and not by row number.

use std::{collections::HashSet, hash::Hash, ops::Range};

use super::viewport::Viewport;
use crate::ui::actions::MoveAction;

/// The keys that the filter shows, the selected one, the marked ones, and the window that is visible.
#[derive(Clone, Debug)]
pub struct List<K> {
    keys: Vec<K>,
    marks: HashSet<K>,
    view: Viewport,
}

impl<K> Default for List<K> {
    fn default() -> Self {
        List { keys: Vec::new(), marks: HashSet::new(), view: Viewport::default() }
    }
}

impl<K: Copy + Eq + Hash + Ord> List<K> {
    /// The keys, in order.
    pub fn keys(&self) -> &[K] {
        &self.keys
    }

    /// Replaces the keys. The selected one stays selected wherever it is now; if it is gone, the one in
    /// its place is.
    pub fn set_keys(&mut self, keys: Vec<K>) {
        let (selected, cursor) = (self.selected(), self.view.cursor());
        // Most often nothing moved: look where it was before looking everywhere.
        let stays = selected.is_some() && keys.get(cursor).copied() == selected;
        let moved = || keys.iter().position(|key| Some(*key) == selected);
        let row = if stays { Some(cursor) } else { moved() };
        self.view.set_len(keys.len());
        self.view.go(row.unwrap_or(cursor));
        self.keys = keys;
    }

    /// Adds keys after the last one.
    pub fn append(&mut self, keys: impl IntoIterator<Item = K>) {
        self.keys.extend(keys);
        self.view.set_len(self.keys.len());
    }

    /// The selected key.
    pub fn selected(&self) -> Option<K> {
        self.keys.get(self.view.cursor()).copied()
    }

    /// Selects a key, if it is there.
    pub fn select(&mut self, key: K) {
        if let Some(index) = self.keys.iter().position(|other| *other == key) {
            self.view.go(index);
        }
    }

    /// Index of the selected key.
    pub fn cursor(&self) -> usize {
        self.view.cursor()
    }

    /// Moves the selection as a key says.
    pub fn travel(&mut self, action: MoveAction) {
        self.view.travel(action);
    }

    /// Moves the selection by rows.
    pub fn step(&mut self, rows: isize) {
        self.view.step(rows);
    }

    /// Selects the row with this index, or the last one.
    pub fn go(&mut self, index: usize) {
        self.view.go(index);
    }

    /// Scrolls so that `rows` rows below the selected one are visible as well, if there is room.
    pub fn look_ahead(&mut self, rows: usize) {
        let selected = self.view.cursor();
        self.view.go(selected + rows.min(self.view.height() - 1));
        self.view.go(selected);
    }

    /// Sets how many rows are visible.
    pub fn set_height(&mut self, height: usize) {
        self.view.set_height(height);
    }

    /// The visible rows.
    pub fn window(&self) -> Range<usize> {
        self.view.window()
    }

    /// The visible keys.
    pub fn visible(&self) -> &[K] {
        self.keys.get(self.window()).unwrap_or_default()
    }

    /// Marks the selected row, or takes its mark away, and moves to the next.
    pub fn toggle_mark(&mut self) {
        if let Some(key) = self.selected() {
            if !self.marks.remove(&key) {
                self.marks.insert(key);
            }
            self.step(1);
        }
    }

    /// Marks the keys that are there and no others: what a filter hides loses its mark. If exactly these are marked, clears
    /// all marks.
    pub fn toggle_all(&mut self) {
        let all: HashSet<K> = self.keys.iter().copied().collect();
        self.marks = if self.marks == all { HashSet::new() } else { all };
    }

    /// Takes all marks away; whether there were any.
    pub fn clear_marks(&mut self) -> bool {
        let any = !self.marks.is_empty();
        self.marks.clear();
        any
    }

    /// Takes the marks of keys away that do not exist any more.
    pub fn retain_marks(&mut self, existing: &[K]) {
        let existing: HashSet<K> = existing.iter().copied().collect();
        self.marks.retain(|key| existing.contains(key));
    }

    /// Whether a key is marked.
    pub fn is_marked(&self, key: K) -> bool {
        self.marks.contains(&key)
    }

    /// How many are marked, seen or not.
    pub fn marked(&self) -> usize {
        self.marks.len()
    }

    /// The marked keys, in any order.
    pub fn marks(&self) -> impl Iterator<Item = &K> {
        self.marks.iter()
    }

    /// What an action acts on: the marked keys in order, else the selected one.
    pub fn targets(&self) -> Vec<K> {
        if self.marks.is_empty() {
            return self.selected().into_iter().collect();
        }
        let mut marked: Vec<K> = self.marks.iter().copied().collect();
        marked.sort_unstable();
        marked
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::ui::actions::MoveAction;

    use super::List;

    fn list(keys: &[u32], height: usize) -> List<u32> {
        let mut list = List::default();
        list.set_height(height);
        list.set_keys(keys.to_vec());
        list
    }

    #[test]
    fn the_selection_follows_its_key_and_not_its_row() {
        let mut list = list(&[1, 2, 3, 4], 2);
        list.go(2);
        list.set_keys(vec![3, 1, 2]);
        assert_eq!((list.selected(), list.cursor()), (Some(3), 0));
        list.set_keys(vec![1, 2]);
        assert_eq!(list.selected(), Some(1));
        list.set_keys(vec![]);
        assert_eq!(list.selected(), None);
    }

    #[test]
    fn marks_belong_to_keys_also_of_rows_that_the_filter_hides() {
        let mut list = list(&[1, 2, 3], 3);
        list.toggle_mark();
        list.set_keys(vec![2, 3]);
        list.toggle_mark();
        assert_eq!(list.targets(), [1, 2]);
        list.retain_marks(&[2, 3]);
        assert_eq!(list.targets(), [2]);
    }

    #[test]
    fn all_marks_are_those_of_the_rows_that_the_filter_shows() {
        let mut list = list(&[1, 2, 3], 3);
        list.toggle_all();
        list.set_keys(vec![2, 3]);
        list.toggle_all();
        assert_eq!(list.targets(), [2, 3], "no hidden mark stays");
        list.set_keys(vec![1, 2, 3]);
        list.toggle_all();
        assert_eq!(list.targets(), [1, 2, 3]);
        list.toggle_all();
        assert_eq!(list.marked(), 0);
    }

    #[test]
    fn appended_rows_move_nothing() {
        let mut list = list(&[], 2);
        list.append([1, 2, 3]);
        list.go(2);
        list.append([4]);
        assert_eq!((list.selected(), list.window(), list.keys().len()), (Some(3), 1..3, 4));
    }

    #[test]
    fn pages_keep_one_row_in_sight() {
        let mut list = list(&(0..100).collect::<Vec<_>>(), 10);
        list.travel(MoveAction::PageDown);
        assert_eq!(list.cursor(), 9);
        list.travel(MoveAction::PageDown);
        assert_eq!((list.cursor(), list.window()), (18, 9..19));
        list.travel(MoveAction::First);
        assert_eq!(list.window(), 0..10);
        list.go(usize::MAX);
        assert_eq!(list.window(), 90..100);
    }

    proptest! {
        #[test]
        fn the_selected_row_is_visible_and_no_row_is_wasted(
            steps in prop::collection::vec((0_u8..5, 0_isize..60), 0..40),
        ) {
            let mut list = list(&[], 5);
            for (what, by) in steps {
                match what {
                    0 => list.step(by),
                    1 => list.step(-by),
                    2 if by < 30 => list.travel(MoveAction::PageUp),
                    2 => list.travel(MoveAction::PageDown),
                    3 => list.set_height(by as usize),
                    _ => list.set_keys((by as u32..100).step_by(1 + by as usize % 7).collect()),
                }
                let window = list.window();
                if list.keys().is_empty() {
                    prop_assert!(window.is_empty());
                } else {
                    prop_assert!(window.contains(&list.cursor()));
                    prop_assert_eq!(window.len(), list.keys().len().min(list.view.height()));
                }
            }
        }
    }
}
