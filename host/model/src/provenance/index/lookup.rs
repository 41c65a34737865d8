//! The origin of a value: who vouches for it, and who else names it.

use super::{
    super::{
        Origin,
        parts::{Part, parts},
        phrase::{CallValue, Phrase},
        texts::Containment,
    },
    Attribution, ReadIndex, Source,
};
use crate::ids::RunId;

/// Looks values up for a call of a run.
#[derive(Clone, Copy)]
pub(super) struct Lookup<'a> {
    pub(super) index: &'a ReadIndex,
    pub(super) run: RunId,
}

impl Lookup<'_> {
    pub(super) fn value(self, value: &CallValue<'_>, phrase: &Phrase) -> Attribution {
        let index = self.index;
        let written = index.written(value.text);
        if let Some(found) = self.named(value, phrase, written) {
            return found;
        }
        if let Some(whole @ (Containment::Whole(_) | Containment::Field(_))) = written {
            return match self.parts(value) {
                Some(found) if found.origin < Origin::Model => found,
                _ => Attribution::one(Origin::Untrusted, index.place(whole.source())),
            };
        }
        if let Some(found) = self.parts(value) {
            return found;
        }
        index.unvouched(written)
    }

    /// Whether the user named a value: in this run, or in another of the same conversation.
    fn is_users(self, phrase: &Phrase) -> bool {
        let index = self.index;
        let mut requests = index.requests.iter();
        requests.any(|(run, request)| {
            (index.shares_requests || *run == self.run) && request.has(&index.key, phrase)
        })
    }

    pub(super) fn vouched(self, phrase: &Phrase) -> Option<Attribution> {
        match self.is_users(phrase) {
            true => Some(Attribution::one(Origin::User, None)),
            false => self.others(phrase),
        }
    }

    /// The origin of a value for which someone vouches. Its sources tell whether strangers name it, too.
    fn named(
        self,
        value: &CallValue<'_>,
        phrase: &Phrase,
        written: Option<Containment>,
    ) -> Option<Attribution> {
        let mut found = self.vouched(phrase)?;
        if found.origin == Origin::User {
            return Some(found);
        }
        let place = match written {
            Some(Containment::Whole(place) | Containment::Field(place)) => self.index.place(place),
            _ if self.index.has_unread() => None,
            _ => return Some(found),
        };
        if found.origin == Origin::Trusted && self.index.may_be_passed_on(value) {
            return None;
        }
        let origin = Origin::Untrusted;
        found.sources.push(Source { origin, place });
        Some(found)
    }

    /// Whether the operator or the system that a field belongs to vouches for a value.
    fn others(self, phrase: &Phrase) -> Option<Attribution> {
        let index = self.index;
        if index.is_operators(phrase) {
            return Some(Attribution::one(Origin::Operator, None));
        }
        let (digest, place) = index.trusted_place(phrase)?;
        let mut found = Attribution::one(Origin::Trusted, index.place(place));
        if index.counterparties.contains(&digest) {
            found.sources.push(Source {
                origin: Origin::Untrusted,
                place: index.place(place),
            });
        }
        Some(found)
    }

    /// The origin of a value that is a list, JSON, or a name with an address: the least safe of its parts.
    fn parts(self, value: &CallValue<'_>) -> Option<Attribution> {
        if !value.may_be_list {
            return None;
        }
        let mut sources: Vec<Source> = Vec::new();
        let mut origin = None;
        for part in parts(value.text)? {
            let found = self.part(&part, value.has_role);
            origin = origin.max(Some(found.origin));
            for source in found.sources {
                if !sources.contains(&source) {
                    sources.push(source);
                }
            }
        }
        let origin = origin?;
        sources.sort_by_key(|source| (source.origin != origin, std::cmp::Reverse(source.origin)));
        Some(Attribution { origin, sources })
    }

    fn part(self, part: &Part, has_role: bool) -> Attribution {
        let value = CallValue {
            has_role,
            ..part.value()
        };
        let written = self.index.written(value.text);
        self.named(&value, &value.phrase(), written)
            .unwrap_or_else(|| self.index.unvouched(written))
    }
}
