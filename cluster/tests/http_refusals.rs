//! How the interface refuses what it does not take.

mod http_support;

use http_support::{Client, Fake, Server, chunked, get, post};
use serde_json::json;
use telegraft_cluster::chat::Action;
use telegraft_cluster::http::MAX_BODY_BYTES;

/// A request, the status and type that refuse it, and what the detail must say.
type Case = (String, u16, &'static str, &'static [&'static str]);

fn bad_paths() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for path in [
        "/",
        "/v1",
        "/v2/users",
        "/v1/users/",
        "/v1/users/1",
        "/v1/rooms/1",
        "//v1/users",
        "/v1/rooms/1/stream",
        "/v1/rooms/1/members/2/3",
        "/v1/rooms/1/members/2/3/4/5",
        "/healthz/",
        "/V1/users",
        "/v1/%75sers",
        "/metrics/x",
    ] {
        cases.push((get(path), 404, "not-found", &["no path"]));
    }
    for id in [
        "x",
        "-1",
        "+1",
        "1.0",
        "%31",
        "9007199254740992",
        "99999999999999999999",
        "",
    ] {
        let path = format!("/v1/rooms/{id}/messages");
        cases.push((get(&path), 400, "bad-request", &["room's id", "2^53"]));
        let path = format!("/v1/users/{id}/inbox");
        cases.push((get(&path), 400, "bad-request", &["user's id", "2^53"]));
    }
    let put = "PUT /v1/rooms/1/members/x HTTP/1.1\r\ncontent-length: 0\r\n\r\n";
    cases.push((put.to_owned(), 400, "bad-request", &["user's id", "\"x\""]));
    let long = format!("/v1/rooms/1/messages?after={}", "0".repeat(5000));
    cases.push((get(&long), 414, "uri-too-long", &["4096"]));
    let longer = format!("/{}", "x".repeat(70_000));
    cases.push((get(&longer), 431, "headers-too-large", &["16384"]));
    cases
}

fn bad_parameters() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (query, says) in [
        ("limit=0", &["limit is 0", "1000"] as &[&str]),
        ("limit=1001", &["limit is 1001", "1000"]),
        ("limit=x", &["limit is \"x\""]),
        ("limit=", &["limit is \"\""]),
        ("limit", &["limit"]),
        ("limit=-1", &["limit is \"-1\""]),
        ("after=9007199254740992", &["after", "2^53"]),
        ("before=1e3", &["before"]),
        ("after=1&before=2", &["after and before"]),
        ("after=1&after=2", &["after is given twice"]),
        (
            "consistency=local&consistency=lease",
            &["consistency is given twice"],
        ),
        (
            "consistency=strong",
            &["\"strong\"", "linearizable, lease or local"],
        ),
        ("consistency=Local", &["\"Local\""]),
        ("min_index=soon", &["min_index is \"soon\""]),
        (
            "index=1",
            &["\"index\"", "after, before, limit, consistency, min_index"],
        ),
        ("offset=1", &["unknown query parameter \"offset\""]),
        ("limit=1&", &["unknown query parameter \"\""]),
    ] {
        let path = format!("/v1/rooms/1/messages?{query}");
        cases.push((get(&path), 400, "bad-request", says));
    }
    for (path, says) in [
        ("/v1/rooms/1/members?before=1", &["\"before\""] as &[&str]),
        ("/v1/users/1/inbox?before=1", &["\"before\""]),
        ("/v1/digest?after=1", &["\"after\"", "index"]),
        ("/v1/digest?index=x", &["index is \"x\""]),
        ("/v1/status?limit=1", &["\"limit\"", "none is taken here"]),
        ("/healthz?x=1", &["\"x\""]),
        ("/v1/users", &["name is missing"]),
        ("/v1/rooms?consistency=local", &["name is missing"]),
        ("/v1/users?name=", &["0 characters", "1 to 64"]),
        ("/v1/users?name", &["0 characters", "1 to 64"]),
        ("/v1/rooms?name=a&name=b", &["name is given twice"]),
        ("/v1/rooms?name=a%", &["\"a%\"", "two hexadecimal digits"]),
        ("/v1/rooms?name=a%4", &["\"a%4\"", "two hexadecimal digits"]),
        ("/v1/rooms?name=%+1", &["\"%+1\"", "two hexadecimal digits"]),
        ("/v1/users?name=%c3", &["\"%c3\"", "UTF-8"]),
        ("/v1/users?name=a%00b", &["control character"]),
        (
            "/v1/users?name=a&limit=1",
            &["\"limit\"", "name, consistency, min_index"],
        ),
    ] {
        cases.push((get(path), 400, "bad-request", says));
    }
    let request = post("/v1/users?limit=1", "", r#"{"name":"a"}"#);
    cases.push((
        request,
        400,
        "bad-request",
        &["\"limit\"", "none is taken here"],
    ));
    cases
}

fn bad_headers() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let user = r#"{"name":"a"}"#;
    for key in [
        "",
        "1",
        "1/",
        "/1",
        "1/2/3",
        "a/b",
        "1/-2",
        "+1/2",
        "1 / 2",
        "9007199254740992/1",
        "1/9007199254740992",
        "1/\u{e9}",
    ] {
        let header = format!("idempotency-key: {key}\r\n");
        let request = post("/v1/users", &header, user);
        let says = &["idempotency-key", "<session_id>/<sequence>"];
        cases.push((request, 400, "bad-request", says));
    }
    let twice = "idempotency-key: 1/2\r\nidempotency-key: 1/3\r\n";
    let says = &["idempotency-key is given twice"];
    cases.push((post("/v1/users", twice, user), 400, "bad-request", says));
    for timeout in ["0", "-5", "1s", ""] {
        let header = format!("telegraft-timeout: {timeout}\r\n");
        let request = post("/v1/users", &header, user);
        cases.push((
            request,
            400,
            "bad-request",
            &["telegraft-timeout", "milliseconds"],
        ));
    }
    let request = post("/v1/users", "telegraft-forward: always\r\n", user);
    cases.push((
        request,
        400,
        "bad-request",
        &["telegraft-forward", "\"always\"", "never"],
    ));

    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "application/problem+json",
        "",
    ] {
        for path in ["/v1/users", "/v1/rooms", "/v1/rooms/1/messages"] {
            let request = format!(
                "POST {path} HTTP/1.1\r\ncontent-type: {content_type}\r\ncontent-length: 12\r\n\r\n{user}"
            );
            cases.push((request, 415, "unsupported-media-type", &["content-type is"]));
        }
    }
    let none = format!("POST /v1/users HTTP/1.1\r\ncontent-length: 12\r\n\r\n{user}");
    cases.push((none, 415, "unsupported-media-type", &["no content-type"]));

    let many = "x: y\r\n".repeat(120);
    let request = post("/v1/users", &many, user);
    cases.push((request, 431, "headers-too-large", &["100 fields"]));
    let large = format!("x: {}\r\n", "y".repeat(20_000));
    let request = post("/v1/users", &large, user);
    cases.push((request, 431, "headers-too-large", &["16384 bytes"]));
    cases
}

fn bad_bodies() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut case = |path: &str, body: &str, says| {
        cases.push((post(path, "", body), 400, "bad-request", says));
    };
    for path in ["/v1/users", "/v1/rooms", "/v1/rooms/1/messages"] {
        case(path, "", &["does not fit", "EOF"]);
        case(path, "{", &["does not fit", "EOF"]);
        case(path, "null", &["does not fit"]);
        case(path, "{}", &["missing field"]);
        case(path, "{\"name\":\"a\"} {}", &["does not fit"]);
        case(path, "\u{feff}{}", &["does not fit"]);
    }
    case(
        "/v1/users",
        r#"{"name":"a","age":3}"#,
        &["unknown field `age`"],
    );
    case(
        "/v1/users",
        r#"{"name":"a","name":"b"}"#,
        &["duplicate field `name`"],
    );
    case("/v1/users", r#"{"name":7}"#, &["invalid type", "string"]);
    case("/v1/users", r#"{"name":""}"#, &["0 characters", "1 to 64"]);
    case("/v1/users", r#"{"name":"\ud800"}"#, &["does not fit"]);
    case(
        "/v1/users",
        r#"{"name":"a\u0007b"}"#,
        &["control character"],
    );
    case(
        "/v1/users",
        "{\"name\":\"a\\u0085\"}",
        &["control character"],
    );
    case(
        "/v1/rooms",
        r#"{"name":"r","description":"d"}"#,
        &["missing field `creator`"],
    );
    case(
        "/v1/rooms",
        r#"{"name":"r","creator":1,"topic":""}"#,
        &["unknown field `topic`"],
    );
    case("/v1/rooms", r#"{"name":"","creator":1}"#, &["0 characters"]);
    case(
        "/v1/rooms",
        r#"{"name":"r","creator":9007199254740992}"#,
        &["creator", "2^53"],
    );
    case(
        "/v1/rooms",
        r#"{"name":"r","creator":-1}"#,
        &["invalid value"],
    );
    case(
        "/v1/rooms",
        r#"{"name":"r","creator":"1"}"#,
        &["invalid type"],
    );
    let messages = "/v1/rooms/1/messages";
    case(messages, r#"{"author":1}"#, &["missing field `body`"]);
    case(messages, r#"{"author":1,"body":""}"#, &["body is empty"]);
    case(messages, r#"{"author":1.5,"body":"x"}"#, &["invalid type"]);
    case(
        messages,
        r#"{"author":9007199254740992,"body":"x"}"#,
        &["author", "2^53"],
    );
    case(
        messages,
        r#"{"author":1,"body":"x","room":2}"#,
        &["unknown field `room`"],
    );
    case(messages, r#"{"author":1,"body":["x"]}"#, &["invalid type"]);
    case("/v1/sessions", r#"{"name":"s"}"#, &["takes no body"]);
    let put = "PUT /v1/rooms/1/members/2 HTTP/1.1\r\ncontent-length: 2\r\n\r\n[]";
    cases.push((put.to_owned(), 400, "bad-request", &["takes no body"]));
    cases
}

#[tokio::test]
async fn bad_input_is_refused_with_what_is_wrong_with_it() {
    let backend = Fake::new();
    let server = Server::start(&backend).await;
    let cases = [bad_paths(), bad_parameters(), bad_headers(), bad_bodies()].concat();
    for (request, status, kind, says) in cases {
        let case: String = request.chars().take(300).collect();
        server
            .send(&request)
            .await
            .assert_problem(&case, status, kind, says);
        assert!(backend.take_writes().is_empty(), "{case}");
        assert!(backend.reads.lock().unwrap().is_empty(), "{case}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_refused_as_a_problem_too() {
    let server = Server::start(&Fake::new()).await;
    for garbage in [
        "hello\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET /healthz HTTP/3.0\r\n\r\n",
        "GET  /healthz HTTP/1.1\r\n\r\n",
        "GET /heal thz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nno colon\r\n\r\n",
        "POST /v1/users HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        "POST /v1/users HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}",
    ] {
        let mut client = Client::connect(server.address).await;
        client.send(garbage).await;
        let reply = client.receive().await;
        reply.assert_problem(garbage, 400, "bad-request", &["HTTP/1.1"]);
        client.closed().await;
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_refused_with_those_that_it_does() {
    let server = Server::start(&Fake::new()).await;
    for (method, path, allow) in [
        ("GET", "/v1/sessions", "POST"),
        ("PUT", "/v1/users", "GET, HEAD, POST"),
        ("DELETE", "/v1/rooms", "GET, HEAD, POST"),
        ("POST", "/v1/rooms/1/members/2", "PUT"),
        ("POST", "/v1/rooms/1/members", "GET, HEAD"),
        ("DELETE", "/v1/rooms/1/messages", "GET, HEAD, POST"),
        ("POST", "/v1/users/1/inbox", "GET, HEAD"),
        ("POST", "/v1/status", "GET, HEAD"),
        ("PATCH", "/v1/digest", "GET, HEAD"),
        ("OPTIONS", "/healthz", "GET, HEAD"),
        ("POST", "/readyz", "GET, HEAD"),
        ("BREW", "/metrics", "GET, HEAD"),
        ("get", "/metrics", "GET, HEAD"),
    ] {
        let case = format!("{method} {path}");
        let reply = server
            .send(format!("{case} HTTP/1.1\r\ncontent-length: 0\r\n\r\n"))
            .await;
        reply.assert_problem(&case, 405, "method-not-allowed", &[method, allow]);
        assert_eq!(reply.header("allow"), Some(allow), "{case}");
    }
}

#[tokio::test]
async fn limits_are_taken_to_the_last_character_and_no_further() {
    let backend = Fake::new();
    let server = Server::start(&backend).await;
    // Characters, not bytes.
    let name = |chars: usize| json!({"name": "é".repeat(chars)}).to_string();
    assert_eq!(server.post("/v1/users", &name(64)).await.status, 201);
    let reply = server.post("/v1/users", &name(65)).await;
    reply.assert_problem("name", 400, "bad-request", &["65 characters", "1 to 64"]);
    let named = |chars: usize| format!("/v1/users?name={}", "%C3%A9".repeat(chars));
    assert_eq!(server.get(&named(64)).await.status, 200);
    let reply = server.get(&named(65)).await;
    reply.assert_problem("named", 400, "bad-request", &["65 characters", "1 to 64"]);

    let room = |chars: usize| {
        json!({"name": "r", "description": "é".repeat(chars), "creator": 1}).to_string()
    };
    assert_eq!(server.post("/v1/rooms", &room(1024)).await.status, 201);
    let reply = server.post("/v1/rooms", &room(1025)).await;
    reply.assert_problem("description", 400, "bad-request", &["1025", "1024"]);

    let message = |bytes: usize| {
        let around = r#"{"author":1,"body":""}"#.len();
        format!(r#"{{"author":1,"body":"{}"}}"#, "x".repeat(bytes - around))
    };
    let path = "/v1/rooms/1/messages";
    backend.take_writes();
    let exact = message(MAX_BODY_BYTES);
    assert_eq!(exact.len(), 64 << 10);
    assert_eq!(server.post(path, &exact).await.status, 201);
    let (action, ..) = backend.take_writes().remove(0);
    assert!(matches!(action, Action::SendMessage { body, .. } if body.len() == (64 << 10) - 22));
    let mut client = Client::connect(server.address).await;
    for length in [MAX_BODY_BYTES + 1, 200_000] {
        client.send(post(path, "", &message(length))).await;
        let reply = client.receive().await;
        reply.assert_problem("too large", 413, "body-too-large", &["65536 bytes"]);
    }
    // That did not cost the connection.
    client.send(post(path, "", &message(100))).await;
    assert_eq!(client.receive().await.status, 201);
    assert_eq!(backend.take_writes().len(), 1);

    let halves = exact.split_at(MAX_BODY_BYTES / 2);
    let reply = server.send(chunked(path, &[halves.0, halves.1])).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(backend.take_writes().len(), 1);
    let reply = server.send(chunked(path, &[halves.0, halves.1, " "])).await;
    reply.assert_problem("chunked", 413, "body-too-large", &["65536 bytes"]);
    assert!(backend.take_writes().is_empty());
}

#[tokio::test]
async fn a_length_that_lies_does_no_harm() {
    let backend = Fake::new();
    let server = Server::start(&backend).await;
    let head = |length: u64| {
        format!(
            "POST /v1/users HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n"
        )
    };

    // Far too much, announced: it is refused before any of it comes.
    let mut client = Client::connect(server.address).await;
    client
        .send(format!("{}expect: 100-continue\r\n\r\n", head(1 << 40)))
        .await;
    let reply = client.receive().await;
    reply.assert_problem("announced", 413, "body-too-large", &["65536"]);
    client.closed().await;

    // More than announced: the rest is no request.
    let mut client = Client::connect(server.address).await;
    let request = format!(
        "{}\r\n{{\"name\":\"a\"}}{{\"name\":\"b\"}}\r\n\r\n",
        head(12)
    );
    client.send(request).await;
    assert_eq!(client.receive().await.status, 201);
    client
        .receive()
        .await
        .assert_problem("the rest", 400, "bad-request", &[]);
    client.closed().await;
    assert_eq!(backend.take_writes().len(), 1);

    // Less than announced, and then nothing ever.
    let mut client = Client::connect(server.address).await;
    client
        .send(format!("{}\r\n{{\"name\":\"a\"}}", head(13)))
        .await;
    client.finish().await;
    let reply = client.receive().await;
    reply.assert_problem("cut off", 400, "bad-request", &["cannot be read"]);
    client.closed().await;

    // A chunk whose length is none.
    let request = "POST /v1/users HTTP/1.1\r\ncontent-type: application/json\r\n\
                   transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n";
    let reply = server.send(request).await;
    reply.assert_problem("bad chunk", 400, "bad-request", &["cannot be read"]);
    assert!(backend.take_writes().is_empty());
}

#[tokio::test]
async fn bodies_are_utf_8() {
    let backend = Fake::new();
    let server = Server::start(&backend).await;
    let mut request = post("/v1/users", "", r#"{"name":"_"}"#).into_bytes();
    let at = request.len() - 3;
    request[at] = 0xff;
    let reply = server.send(&request).await;
    reply.assert_problem("a byte", 400, "bad-request", &["not UTF-8 from its byte 9"]);
    assert!(backend.take_writes().is_empty());
    let reply = server
        .send(post("/v1/users", "", r#"{"name":"a"}"#).replace("/json", "/JSON; charset=utf-8"))
        .await;
    assert_eq!(reply.status, 201);
}
