//! Which upstream server a resource belongs to. Clients name it by its URI alone.

use tollgate_model::uri::CanonicalUri;

use super::Gate;
use crate::upstream::LoadedUpstream;

impl Gate {
    /// The server of the resource with this URI: the only one that is configured to have it, or the only one of those
    /// that lists it or a template that fits.
    ///
    /// # Errors
    /// Why there is none, as a text for the agent.
    pub fn resource_server(&self, uri: &str) -> Result<String, String> {
        let uri = CanonicalUri::parse(uri)?;
        let executors = self.executors();
        let carriers = executors.upstreams.values().map(AsRef::as_ref);
        only(carriers, uri.as_str()).map(|upstream| upstream.name().to_owned())
    }
}

fn only<'a>(
    upstreams: impl Iterator<Item = &'a LoadedUpstream>,
    uri: &str,
) -> Result<&'a LoadedUpstream, String> {
    let carriers: Vec<&LoadedUpstream> = upstreams
        .filter(|upstream| upstream.carries_resource(uri))
        .collect();
    let listing: Vec<&LoadedUpstream> = carriers
        .iter()
        .copied()
        .filter(|upstream| upstream.lists(uri))
        .collect();
    match (carriers.as_slice(), listing.as_slice()) {
        ([one], _) | (_, [one]) => Ok(one),
        ([], _) => Err("no upstream server is configured to have a resource with this URI".into()),
        (several, _) => {
            let names: Vec<String> = several.iter().map(|u| format!("`{}`", u.name())).collect();
            Err(format!(
                "the upstream servers {} may all have a resource with this URI; an operator says which by \
                 `resources = [..]` in their tables",
                names.join(", ")
            ))
        }
    }
}
