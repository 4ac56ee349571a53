//! One call of a client to one node, and its reply.

use std::time::Duration;

use bytes::Bytes;
use telegraft_cluster::chat::{Action, Answer, ChatMessage, Page, Query};
use telegraft_cluster::env::Spawner as _;
use telegraft_cluster::http::{Backend as _, Refusal};
use telegraft_cluster::node::Node;
use telegraft_cluster::raft::NodeId;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::operation::{Call, MessageId, Operation, Reply, Write};
use crate::world::World;

/// How long a client waits beyond the deadline that it gave the node.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Asks a node, and tells the judge.
pub(crate) async fn ask(
    world: &World,
    client: usize,
    id: NodeId,
    call: Call,
    deadline: Duration,
) -> Reply {
    let up = world.up(id);
    let before = world.disturbances(id);
    let number = world.judge().invoked(Operation {
        number: 0,
        client,
        node: id,
        life: up.as_ref().map_or(0, |up| up.life),
        call: call.clone(),
        invoked: Duration::ZERO,
        deadline,
        floor: 0,
        completed: None,
        reply: None,
        undisturbed: false,
    });
    let reply = match up {
        None => Reply::NotThere,
        Some(up) => {
            let (sender, receiver) = oneshot::channel();
            let (node, sim) = (up.node.clone(), up.sim.clone());
            // Inside the node, as its HTTP server is: it stands still and dies with it, and a
            // request that nobody waits for any more is carried out all the same.
            let serving = async move {
                let reply = serve(&node, call, deadline).await;
                // It may have been stopped in the very moment.
                sim.wait_until_running().await;
                let _ = sender.send(reply);
            };
            drop(up.sim.spawner().spawn(Box::pin(serving)));
            match timeout(deadline + PATIENCE, receiver).await {
                Ok(Ok(reply)) => reply,
                Ok(Err(_)) => Reply::Lost,
                Err(_) => Reply::GaveUp,
            }
        }
    };
    let undisturbed = !before.1 && world.disturbances(id) == before;
    world.judge().completed(number, reply.clone(), undisturbed);
    reply
}

async fn serve(node: &Node, call: Call, deadline: Duration) -> Reply {
    match call {
        Call::Write { write, key } => match node.write(action(write), key, deadline).await {
            Ok(outcome) => Reply::Done(outcome),
            Err(refusal) => Reply::Refused(refusal),
        },
        Call::Page {
            room,
            after,
            limit,
            consistency,
            min_index,
        } => {
            let query = Query::Messages {
                room_id: room,
                page: Page::After(after),
                limit,
            };
            shown(node.read(query, consistency, min_index, deadline).await)
        }
        Call::Inbox {
            user,
            after,
            limit,
            consistency,
        } => {
            let query = Query::Inbox {
                user_id: user,
                after,
                limit,
            };
            shown(node.read(query, consistency, 0, deadline).await)
        }
    }
}

fn action(write: Write) -> Action {
    match write {
        Write::Register => Action::RegisterSession,
        Write::User(name) => Action::CreateUser { name },
        Write::Room { name, creator } => Action::CreateRoom {
            name,
            description: String::new(),
            creator,
        },
        Write::Join { room, user } => Action::JoinRoom {
            room_id: room,
            user_id: user,
        },
        Write::Send {
            room,
            user,
            id,
            bytes,
        } => Action::SendMessage {
            room_id: room,
            author: user,
            body: Bytes::from(id.body(bytes)),
        },
    }
}

type ReadResult = Result<(Result<Answer, telegraft_cluster::chat::QueryError>, u64), Refusal>;

fn shown(result: ReadResult) -> Reply {
    let named = |message: ChatMessage| {
        let id = MessageId::from_body(&message.body)?;
        Some((message.room_id, message.seq, id))
    };
    match result {
        Err(refusal) => Reply::Refused(refusal),
        Ok((Err(error), applied)) => Reply::NotFound { error, applied },
        Ok((Ok(Answer::Messages(messages)), applied)) => {
            let named: Option<Vec<_>> = messages.into_iter().map(named).collect();
            match named {
                Some(messages) => Reply::Page {
                    messages: messages.into_iter().map(|(_, seq, id)| (seq, id)).collect(),
                    applied,
                },
                None => Reply::Garbled("a message that nobody sent".to_owned()),
            }
        }
        Ok((Ok(Answer::Inbox { messages, cursor }), applied)) => {
            let named: Option<Vec<_>> = messages.into_iter().map(named).collect();
            match named {
                Some(messages) => Reply::Inbox {
                    messages,
                    cursor,
                    applied,
                },
                None => Reply::Garbled("a message that nobody sent".to_owned()),
            }
        }
        Ok((Ok(other), _)) => Reply::Garbled(format!("{other:?}")),
    }
}
