//! A bounded cache of recently used entries.

use std::{collections::HashMap, hash::Hash, mem};

/// Keeps at least the `most` recently used entries, and at most twice as many. There are two generations:
/// when the young one is full, the old one is dropped. Eviction therefore never searches.
#[derive(Debug)]
pub struct TwoGenerationCache<K, V> {
    most: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Clone + Eq + Hash, V> TwoGenerationCache<K, V> {
    /// An empty cache.
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// An entry, without marking it as used.
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// An entry; marks it as used.
    pub fn get(&mut self, key: &K) -> Option<&mut V> {
        if let Some(value) = self.old.remove(key) {
            self.insert(key.clone(), value);
        }
        self.young.get_mut(key)
    }

    /// Inserts or replaces an entry and marks it as used. Returns whether others were dropped.
    pub fn insert(&mut self, key: K, value: V) -> bool {
        self.old.remove(&key);
        let full = self.young.len() >= self.most && !self.young.contains_key(&key);
        if full {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, value);
        full
    }

    /// Removes an entry.
    pub fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// All entries.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.young.values().chain(self.old.values())
    }
}

#[cfg(test)]
mod tests;
