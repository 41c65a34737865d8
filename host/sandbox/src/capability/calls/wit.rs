//! The import `calls`: tools of other components.
//!
//! The nested call runs in a task of its own, as the calling guest waits. What it has used is taken from
//! what the guest has left, so that a chain of calls gets no more than its first.

use std::sync::Arc;

use wasmtime::{
    StoreContextMut,
    component::{Linker, WasmStr},
};

use super::{
    Content, EmbeddedResource, PUBLISHED, ResourceBody,
    bindings::{calls::Error, types},
    guest::State,
    operation::denial,
};
use crate::enforce::NestedFault;

type Store<'a> = StoreContextMut<'a, State>;
type Answer = Result<Vec<types::Content>, Error>;

/// What is looked at of a tool's name: more than a name has.
const MAX_NAME: usize = 256;
/// Bytes of arguments.
const MAX_ARGUMENTS: usize = 1 << 20;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut calls = linker.instance(&format!("tollgate:adapter/calls@{version}"))?;
        calls.func_wrap_async(
            "call",
            |store: Store<'_>, (tool, arguments): (WasmStr, WasmStr)| {
                let asked = asked(&store, &tool, &arguments);
                Box::new(async move {
                    let answer: Answer = match asked? {
                        Some((tool, arguments)) => call(store, tool, arguments).await,
                        None => Err(Error::Invalid("the arguments have more than 1 MiB".into())),
                    };
                    Ok((answer,))
                })
            },
        )?;
    }
    Ok(())
}

/// Tool and arguments out of the guest's memory; nothing if they are too large.
fn asked(
    store: &Store<'_>,
    tool: &WasmStr,
    arguments: &WasmStr,
) -> wasmtime::Result<Option<(String, String)>> {
    let (tool, arguments) = (tool.to_str(store)?, arguments.to_str(store)?);
    let name = tool.get(..tool.floor_char_boundary(MAX_NAME));
    let name = name.unwrap_or_default().to_owned();
    Ok((arguments.len() <= MAX_ARGUMENTS).then(|| (name, arguments.into_owned())))
}

async fn call(mut store: Store<'_>, tool: String, arguments: String) -> Answer {
    let Some(host) = store.data().host() else {
        let problem = "no tool is called while tools are listed";
        return Err(Error::Invalid(problem.into()));
    };
    let capabilities = Arc::clone(&host.capabilities);
    let fuel = store.get_fuel().unwrap_or(0);
    let allowance = store.data().left(fuel);
    let work = async move { capabilities.call(&tool, &arguments, allowance).await };
    let work = host.runtime.spawn(work);
    let Ok((result, spent)) = work.await else {
        let unknown = "Its outcome is not known: some of its effects may have happened.";
        return Err(Error::Ended(unknown.into()));
    };
    store.data().charge(spent.cpu);
    // Fuel is on, so it can be set.
    let _ = store.set_fuel(fuel.saturating_sub(spent.fuel));
    match result {
        Ok(content) => Ok(content.into_iter().map(part).collect()),
        Err(NestedFault::Invalid(problem)) => Err(Error::Invalid(problem)),
        Err(NestedFault::Failed(message)) => Err(Error::Failed(message)),
        Err(NestedFault::Ended(message)) => Err(Error::Ended(message)),
        Err(NestedFault::Refused(refusal)) => Err(Error::Denied(denial(*refusal))),
    }
}

fn part(content: Content) -> types::Content {
    match content {
        Content::Text { text } => types::Content::Text(text),
        Content::Image { media_type, data } => {
            types::Content::Image(types::Image { media_type, data })
        }
        Content::Resource {
            resource:
                EmbeddedResource {
                    uri,
                    media_type,
                    body,
                },
        } => types::Content::Resource(types::EmbeddedResource {
            uri,
            media_type,
            body: match body {
                ResourceBody::Text(text) => types::ResourceBody::Text(text),
                ResourceBody::Blob(data) => types::ResourceBody::Blob(data),
            },
        }),
        Content::Structured(value) => types::Content::Structured(value.to_string()),
    }
}
