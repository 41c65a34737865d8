//! Tools as they are listed to agents, and to the people who run them.

use tollgate_testkit::rest::{HttpGate, Response};

const NO_QUOTES: &str = "@id(\"no-quotes\") @owner(\"tests\")\nforbid (principal == Tollgate::Agent::\"support\", \
                         action == Tollgate::Action::\"payments__quote\", resource);";

/// Whether quotes are listed, and how many tools are not.
fn listed(response: Response) -> (bool, String) {
    let left_out = response.headers["tollgate-tools-left-out"].clone();
    let tools = response.is(200);
    let mut names = tools.as_array().unwrap().iter().map(|tool| &tool["name"]);
    let has_quotes = names.any(|name| name == "payments__quote");
    (has_quotes, left_out.to_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_see_what_they_could_call_and_people_see_all() {
    let served = HttpGate::new(NO_QUOTES).await;
    let (support, other) = (served.agent("support").await, served.agent("other").await);
    let dana = served.user("dana").await;
    let get = async |token: &str, path: &str| served.get(token, path).await;
    let (none, one) = ((true, "0".to_owned()), (false, "1".to_owned()));
    assert_eq!(listed(get(&support, "/v1/tools").await), one);
    assert_eq!(listed(get(&other, "/v1/tools").await), none);
    assert_eq!(listed(get(&dana, "/v1/tools").await), none);
    assert_eq!(listed(get(&dana, "/v1/tools?agent=support").await), one);
    assert_eq!(listed(get(&dana, "/v1/tools?agent=other").await), none);
    get(&support, "/v1/tools?agent=other")
        .await
        .fails(403, "people_only");
    get(&dana, "/v1/tools?agent=stranger")
        .await
        .fails(404, "not_found");
    get(&dana, "/v1/tools?agents=support")
        .await
        .fails(400, "invalid_query");
}
