//! Values under small numbers that are used again, for tokens of a poll.

/// A growing array whose free places are used first.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// The key that the next [`Slab::insert`] will use.
    pub fn next_key(&self) -> usize {
        self.free.last().copied().unwrap_or(self.places.len())
    }

    /// Keeps a value under [`Slab::next_key`].
    pub fn insert(&mut self, value: T) {
        match self.free.pop() {
            Some(key) => self.places[key] = Some(value),
            None => self.places.push(Some(value)),
        }
    }

    /// The value under `key`.
    pub fn get_mut(&mut self, key: usize) -> Option<&mut T> {
        self.places.get_mut(key)?.as_mut()
    }

    /// Takes the value under `key` out.
    pub fn remove(&mut self, key: usize) -> Option<T> {
        let value = self.places.get_mut(key)?.take()?;
        self.free.push(key);
        Some(value)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Slab;

    #[test]
    fn places_are_used_again() {
        let mut slab = Slab::default();
        for value in ["a", "b", "c"] {
            slab.insert(value);
        }
        assert_eq!(slab.remove(1), Some("b"));
        assert_eq!(slab.remove(1), None);
        assert_eq!(slab.next_key(), 1);
        slab.insert("d");
        assert_eq!(slab.get_mut(1), Some(&mut "d"));
        assert_eq!((slab.next_key(), slab.is_empty()), (3, false));
        for key in 0..3 {
            slab.remove(key);
        }
        assert!(slab.is_empty());
    }
}
