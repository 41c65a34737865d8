//! An MCP server over stdio that says what a script says: `odd-server SCRIPT`. SCRIPT is JSON:
//!
//! | member | meaning |
//! |---|---|
//! | `before` | text that comes before the first answer |
//! | `hello` | members of the answer to `initialize`, besides the usual ones |
//! | `pages` | the results of `tools/list`; a `nextCursor` is the number of the next page |
//! | `answers` | by tool: the text after the id in the answer to a call; others say what they got |
//! | `progress` | by tool: numbers that are reported before the answer |
//! | `holds` | by tool: another tool, whose call comes before the answer is given |
//! | `asks` | by tool: the parameters of `elicitation/create` before the answer, which then says what came back |
//!
//! A call with `inputResponses` says that it got them.
//!
//! Each line that it gets is added to `SCRIPT.log`.

use std::{
    env,
    error::Error,
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, Write as _},
};

use serde_json::{Map, Value, json};

type Failed = Box<dyn Error>;

struct Server {
    script: Value,
    log: File,
    out: io::Stdout,
    /// Calls that wait for a call of another tool.
    held: Vec<(Value, Value)>,
    /// Calls that wait for an answer to a question: its id, the call's id, and the tool.
    asked: Vec<(Value, Value, String)>,
}

impl Server {
    fn write(&mut self, text: &str) -> Result<(), Failed> {
        let mut out = self.out.lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    fn say(&mut self, id: &Value, rest: &str) -> Result<(), Failed> {
        self.write(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{rest}\n"))
    }

    fn result(&mut self, id: &Value, result: &Value) -> Result<(), Failed> {
        self.say(id, &format!("\"result\":{result}}}"))
    }

    fn hello(&mut self, id: &Value, asked: &Value) -> Result<(), Failed> {
        let before = self.script.get("before").and_then(Value::as_str);
        let before = before.unwrap_or_default().to_owned();
        self.write(&before)?;
        let mut hello = json!({
            "protocolVersion": asked.get("protocolVersion"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "odd", "version": "1"},
        });
        if let (Some(hello), Some(Value::Object(more))) =
            (hello.as_object_mut(), self.script.get("hello"))
        {
            hello.extend(more.clone());
        }
        self.result(id, &hello)
    }

    fn page(&mut self, id: &Value, asked: &Value) -> Result<(), Failed> {
        let cursor = asked.get("cursor").and_then(Value::as_str);
        let number: usize = cursor.and_then(|c| c.parse().ok()).unwrap_or(0);
        let pages = self.script.get("pages").and_then(Value::as_array);
        let page = pages.and_then(|pages| pages.get(number)).cloned();
        self.result(id, &page.unwrap_or_else(|| json!({"tools": []})))
    }

    fn call(&mut self, id: &Value, asked: &Value) -> Result<(), Failed> {
        let name = asked
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let token = asked.pointer("/_meta/progressToken").cloned();
        let of_tool = |key: &str| self.script.get(key)?.get(name).cloned();
        let question = of_tool("asks");
        if let (Some(Value::Array(numbers)), Some(token)) = (of_tool("progress"), token) {
            for number in numbers {
                let params = json!({"progressToken": token, "progress": number});
                let told =
                    json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params});
                self.write(&format!("{told}\n"))?;
            }
        }
        if let Some(question) = question {
            let own = json!(format!("ask-{}", self.asked.len()));
            let ask = json!({"jsonrpc": "2.0", "id": own, "method": "elicitation/create", "params": question});
            self.asked.push((own, id.clone(), name.to_owned()));
            return self.write(&format!("{ask}\n"));
        }
        if self.script.pointer(&format!("/holds/{name}")).is_some() {
            self.held.push((id.clone(), asked.clone()));
            return Ok(());
        }
        self.answer(id, asked)?;
        let is_released = |held: &(Value, Value)| {
            let held = held.1.get("name").and_then(Value::as_str);
            let by = self
                .script
                .pointer(&format!("/holds/{}", held.unwrap_or_default()));
            by.and_then(Value::as_str) == Some(name)
        };
        let (released, held) = self.held.iter().cloned().partition(is_released);
        self.held = held;
        let released: Vec<(Value, Value)> = released;
        released
            .iter()
            .try_for_each(|(id, asked)| self.answer(id, asked))
    }

    fn answer(&mut self, id: &Value, asked: &Value) -> Result<(), Failed> {
        let name = asked
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if let Some(responses) = asked.get("inputResponses") {
            let text = format!("{name} got {responses}");
            return self.result(id, &json!({"content": [{"type": "text", "text": text}]}));
        }
        let answer = self.script.pointer(&format!("/answers/{name}")).cloned();
        match answer.as_ref().and_then(Value::as_str) {
            Some(rest) => self.say(id, rest),
            None => {
                let got = asked.get("arguments").cloned();
                let got = got.unwrap_or_else(|| Value::Object(Map::new()));
                let text = format!("{name} got {got}");
                self.result(id, &json!({"content": [{"type": "text", "text": text}]}))
            }
        }
    }

    /// The answer to a question: its call says what came.
    fn asked(&mut self, own: &Value, message: &Value) -> Result<(), Failed> {
        let place = self.asked.iter().position(|(asked, ..)| asked == own);
        let Some((_, id, name)) = place.and_then(|place| self.asked.get(place).cloned()) else {
            return Ok(());
        };
        let came = message.get("result").or(message.get("error"));
        let text = format!("{name} got {}", came.cloned().unwrap_or_default());
        self.result(&id, &json!({"content": [{"type": "text", "text": text}]}))
    }

    fn take(&mut self, line: &str) -> Result<(), Failed> {
        writeln!(self.log, "{line}")?;
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            return Ok(());
        };
        let Some(id) = message.get("id").cloned() else {
            return Ok(());
        };
        let asked = message.get("params").cloned().unwrap_or_default();
        match message.get("method").and_then(Value::as_str) {
            Some("initialize") => self.hello(&id, &asked),
            Some("tools/list") => self.page(&id, &asked),
            Some("tools/call") => self.call(&id, &asked),
            Some("ping") => self.result(&id, &json!({})),
            Some(_) => self.say(
                &id,
                r#""error":{"code":-32601,"message":"no such method"}}"#,
            ),
            None => self.asked(&id, &message),
        }
    }
}

fn main() -> Result<(), Failed> {
    let script = env::args().nth(1).ok_or("usage: odd-server SCRIPT")?;
    let log = format!("{script}.log");
    let mut server = Server {
        script: serde_json::from_slice(&fs::read(&script)?)?,
        log: OpenOptions::new().create(true).append(true).open(log)?,
        out: io::stdout(),
        held: Vec::new(),
        asked: Vec::new(),
    };
    for line in io::stdin().lock().lines() {
        server.take(&line?)?;
    }
    Ok(())
}
