//! An MCP server with scripted answers.

use super::*;

/// What the scripted server was asked, and what it answers next.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) tools: Vec<Value>,
    pub(super) fresh: Option<Arc<Offer>>,
    pub(super) down: bool,
    pub(super) sent: Vec<(String, String, Value)>,
    pub(super) endings: VecDeque<CallResult>,
    pub(super) waits: bool,
    /// What the server asks people, in order, before it answers a call; and what it got for each.
    pub(super) asks: Vec<Value>,
    pub(super) got: Vec<Result<Value, String>>,
    /// Whether it could ask in its last call.
    pub(super) may_ask: bool,
    pub(super) closed: usize,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Scripted(Arc<Mutex<Script>>);

impl Scripted {
    pub(super) fn new() -> Self {
        let scripted = Self::default();
        scripted.script().tools = vec![
            tool("read", "Reads a letter."),
            tool("write", "Writes a letter."),
            tool("odd.name", ""),
        ];
        scripted
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    pub(super) fn then(&self, ending: CallResult) {
        self.script().endings.push_back(ending);
    }

    pub(super) fn sent(&self) -> usize {
        self.script().sent.len()
    }

    /// The server says that its list has changed, and is asked again.
    pub(super) fn offers(&self, tools: Vec<Value>) {
        let mut script = self.script();
        script.fresh = Some(Arc::new(Offer::new(&tools)));
        script.tools = tools;
    }
}

pub(super) fn tool(name: &str, description: &str) -> Value {
    json!({"name": name, "description": description, "inputSchema": {"type": "object",
        "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": false}})
}

pub(super) fn text(text: &str) -> CallResult {
    CallResult::Returned {
        content: vec![Content::Text { text: text.into() }],
        failed: false,
    }
}

impl Connector for Scripted {
    fn connect(
        &self,
        _: &str,
        _: &UpstreamConfig,
        _: &Arc<Vault>,
        _: &Network,
    ) -> Arc<dyn Upstream> {
        Arc::new(self.clone())
    }
}

impl Upstream for Scripted {
    fn session(&self) -> BoxFuture<'_, Result<Arc<dyn Session>, ConnectError>> {
        Box::pin(async {
            match self.script().down {
                true => Err(ConnectError::new("it does not start")),
                false => Ok(Arc::new(self.clone()) as Arc<dyn Session>),
            }
        })
    }

    fn last_offer(&self) -> Option<Arc<Offer>> {
        self.script().fresh.clone()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.script().closed += 1 })
    }
}

impl Session for Scripted {
    fn offer(&self, _: bool) -> BoxFuture<'_, Result<Arc<Offer>, ConnectError>> {
        Box::pin(async { Ok(Arc::new(Offer::new(&self.script().tools))) })
    }

    fn call<'a>(
        &'a self,
        permitted: Permitted<ToolCall>,
        mut terms: CallParams,
    ) -> BoxFuture<'a, CallResult> {
        Box::pin(async move {
            let (ending, waits) = {
                let mut script = self.script();
                let call = permitted.act();
                let meta = Value::Object(terms.meta.clone());
                let own = call.tool().own_name.clone();
                script.sent.push((own, call.canonical().into(), meta));
                let ending = script.endings.pop_front();
                (ending.unwrap_or(text("hello")), script.waits)
            };
            terms
                .reports
                .report(1.0, Some(2.0), "half\u{202e}way")
                .await;
            if waits {
                return CallResult::Stopped(terms.stop.wait().await);
            }
            let asks = std::mem::take(&mut self.script().asks);
            self.script().may_ask = terms.elicitor.is_some();
            for question in asks {
                let Some(elicitor) = &terms.elicitor else {
                    continue;
                };
                let answer = tokio::select! {
                    biased;
                    stopped = terms.stop.wait() => return CallResult::Stopped(stopped),
                    answer = elicitor.elicit(question, std::future::pending()) => answer,
                };
                let answer = answer.map(|answer| answer.to_json());
                let got = answer.map_err(|error| error.to_string());
                self.script().got.push(got);
            }
            ending
        })
    }
}
