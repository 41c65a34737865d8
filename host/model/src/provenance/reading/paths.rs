//! The paths of a result, with what holds for each.
//!
//! Results repeat their paths in every row: trust, place and the reading of a name are worked out once for each.

use std::collections::HashMap;

use super::super::{FieldTrust, Trust};

/// The most paths that are held; what holds for others is worked out again.
const MAX_PATHS: usize = 4096;

/// A path.
#[derive(Debug)]
pub(super) struct Path {
    members: HashMap<String, usize>,
    /// The trust in a name here.
    pub(super) trust: Trust,
    /// The trust in a text here.
    pub(super) text_trust: Trust,
    /// The number of its place, once something was read here.
    pub(super) place: Option<u32>,
    /// Whether its name orders an act, once it was read.
    pub(super) name_orders: Option<bool>,
}

/// The way to the value that is being read.
#[derive(Debug)]
pub(super) struct Paths<'v> {
    all: Vec<Path>,
    /// The names on the way.
    names: Vec<&'v str>,
    /// The numbers of the paths on the way, the whole result's first.
    numbers: Vec<Option<usize>>,
}

impl<'v> Paths<'v> {
    pub(super) fn new(trust: &FieldTrust) -> Self {
        let mut paths = Self {
            all: Vec::new(),
            names: Vec::new(),
            numbers: Vec::new(),
        };
        let whole = paths.path_here(trust);
        paths.all.push(whole);
        paths.numbers.push(Some(0));
        paths
    }

    pub(super) fn names(&self) -> &[&'v str] {
        &self.names
    }

    /// The path that is being read, unless there are too many.
    pub(super) fn path(&mut self) -> Option<&mut Path> {
        let number = self.numbers.last().copied().flatten()?;
        self.all.get_mut(number)
    }

    /// What holds for the path that is being read.
    fn path_here(&self, trust: &FieldTrust) -> Path {
        Path {
            members: HashMap::new(),
            trust: trust.of(&self.names),
            text_trust: trust.of_text(&self.names),
            place: None,
            name_orders: None,
        }
    }

    /// Goes to a member, or to the items with the name `*`.
    pub(super) fn enter(&mut self, name: &'v str, trust: &FieldTrust) {
        self.names.push(name);
        let next = self.all.len();
        let Some(above) = self.path() else {
            return self.numbers.push(None);
        };
        if let Some(number) = above.members.get(name) {
            let number = *number;
            return self.numbers.push(Some(number));
        }
        if next >= MAX_PATHS {
            return self.numbers.push(None);
        }
        above.members.insert(name.to_owned(), next);
        let path = self.path_here(trust);
        self.all.push(path);
        self.numbers.push(Some(next));
    }

    pub(super) fn leave(&mut self) {
        self.names.pop();
        self.numbers.pop();
    }

    /// The trust in a name here, and in a text.
    pub(super) fn trust(&mut self, trust: &FieldTrust) -> (Trust, Trust) {
        match self.path() {
            Some(path) => (path.trust, path.text_trust),
            None => (trust.of(&self.names), trust.of_text(&self.names)),
        }
    }
}
