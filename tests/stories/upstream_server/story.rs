//! A gate with the reference server of MCP behind it.

use super::*;

pub(super) struct Story {
    pub(super) world: World,
    pub(super) gate: Gate,
    pub(super) _http: Option<ChildProcess>,
}

pub(super) fn options(world: &World) -> GateOptions {
    GateOptions {
        clock: world.clock(),
        sync: Sync::Full,
        by: "tests".into(),
        connector: Servers::new(),
        ..GateOptions::default()
    }
}

impl Story {
    pub(super) async fn with(reach: &str, http: Option<ChildProcess>, world: World) -> Self {
        let config = world.read("tollgate.toml");
        let upstream = format!(
            "\n[secrets.key]\nfile = \"key\"\n[upstream.box]\n{reach}\nlabels = []\ntaints = []\nlimits = {{ output = \"1MiB\" }}\n[tools.box__slow]\n\
             limits = {{ time = \"60s\" }}\n"
        );
        world.write("key", TOKEN);
        world.write("tollgate.toml", &(config + &upstream));
        let connector = Servers::new();
        let looked = compare_offers(&world.config(), connector.as_ref(), None)
            .await
            .unwrap();
        let seen: Vec<_> = looked.into_iter().map(|(n, d)| (n, d.digest)).collect();
        let options = options(&world);
        let alice = user("alice");
        let gate = Gate::open_accepting(world.config(), options, &alice, &seen);
        let gate = gate.await.unwrap();
        Self {
            world,
            gate,
            _http: http,
        }
    }

    pub(super) async fn stdio() -> Self {
        Self::stdio_with("").await
    }

    /// With more in the server's table.
    pub(super) async fn stdio_with(more: &str) -> Self {
        let world = World::new(POLICIES);
        fs::create_dir(world.path("server")).unwrap();
        let dir = world.path("server");
        let reach = format!(
            "command = [{SERVER:?}, {dir:?}]\nenv = {{ KEY = {{ secret = \"key\" }}, GIVEN = \"1\" }}\n{more}"
        );
        Self::with(&reach, None, world).await
    }

    pub(super) async fn http() -> Self {
        let world = World::new(POLICIES);
        let dir = world.path("server");
        fs::create_dir(&dir).unwrap();
        let server = ChildProcess::start(Command::new(SERVER).arg(&dir).arg("--http"));
        let address = until(|| fs::read_to_string(dir.join("address")).ok()).await;
        let reach = format!("url = \"http://{address}/mcp\"\nsecret = \"key\"");
        Self::with(&reach, Some(server), world).await
    }

    pub(super) async fn call(&self, tool: &str, arguments: Value) -> Answer {
        call(&self.gate, "r", tool, &arguments.to_string()).await
    }

    pub(super) fn asked(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.world.path("server/calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    pub(super) fn status(&self, answer: &Answer) -> Status {
        let records = records(&self.gate, answer.run.unwrap()).into_iter();
        let mut outcomes = records.filter_map(|record| match record.event {
            Event::Outcome(outcome) if outcome.call == answer.call => Some(outcome.status),
            _ => None,
        });
        outcomes.next_back().unwrap()
    }

    pub(super) fn tools(&self, tools: Value) {
        self.world.write("server/tools.json", &tools.to_string());
    }

    /// Call in the background, until the server has been asked.
    pub(super) async fn under_way(
        &self,
        tool: &str,
        options: CallOptions,
    ) -> tokio::task::JoinHandle<Answer> {
        let (gate, before) = (self.gate.clone(), self.asked().len());
        let request = CallRequest {
            tool: tool.into(),
            arguments: "{}".into(),
        };
        let calling = tokio::spawn(async move {
            gate.call_with_options(&agent("support"), &named("r"), request, options)
                .await
        });
        until(|| (self.asked().len() > before).then_some(())).await;
        calling
    }
}

/// What comes true in time.
pub(super) async fn until<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = what() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap()
}
