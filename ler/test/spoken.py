# -*- test-case-name: ler.test.test_translation_roundtrip -*-
"""
How each dialect says what was invented, and what is heard of that.
"""

from __future__ import annotations

import json
from typing import Any

from ler.test.inventor import SCHEMA, Answer, Inventor

IMAGES = ("iVBORw0KGgoAAAANSUhEUg==", "/9j/4AAQSkZJRgABAQEASA==", "UklGRiQAAABXQVZFZm10IA==")


# How Ollama says it.


def ollama_conversation(inventor: Inventor) -> list[dict[str, Any]]:
    """
    @return: messages with everything that messages may have.
    """
    messages = [{"role": "system", "content": inventor.text(1)}] if inventor.maybe(a=1) else []
    for _ in range(inventor.random.randint(1, 3)):
        images = inventor.maybe(images=inventor.random.sample(IMAGES, 2))
        messages.append({"role": "user", "content": inventor.text(1), **images})
        said: dict[str, Any] = {"role": "assistant", "content": inventor.text()}
        said.update(inventor.maybe(thinking=inventor.text(1)))
        messages.append(said)
        if inventor.maybe(calls=1):
            calls = inventor.calls()
            said["tool_calls"] = [
                {"id": id, "function": {"name": name, "arguments": arguments}}
                for id, name, arguments in calls
            ]
            inventor.random.shuffle(calls)
            messages.extend(
                {
                    "role": "tool",
                    "content": inventor.text(),
                    "tool_name": name,
                    "tool_call_id": id,
                }
                for id, name, _ in calls
            )
    return messages


def ollama_settings(inventor: Inventor) -> dict[str, Any]:
    """
    @return: what chats and generations alike may say beside the prompt.
    """
    options = {
        **inventor.options(),
        **inventor.maybe(num_predict=100, repeat_penalty=1.1),
    }
    settings = inventor.maybe(format=inventor.random.choice(("json", SCHEMA)), stream=False)
    settings.update(inventor.random.choice(({}, {"logprobs": True, "top_logprobs": 3})))
    return {"stream": True, **settings, **({"options": options} if options else {})}


def ollama_lines(inventor: Inventor, answer: Answer) -> list[dict[str, Any]]:
    """
    @return: the lines of a chat that say this, cut anywhere.
    """
    parts: list[dict[str, Any]] = [
        {"content": "", "thinking": piece} for piece in inventor.pieces(answer.thinking)
    ]
    parts += [{"content": piece} for piece in inventor.pieces(answer.text)]
    calls = ollama_calls(answer)
    while calls:
        size = inventor.random.randint(1, len(calls))
        parts.append({"content": "", "tool_calls": calls[:size]})
        calls = calls[size:]
    lines = [ollama_line(part) for part in parts]
    if lines and inventor.maybe(short=1):
        return [*lines[:-1], {**lines[-1], **ollama_end(answer)}]
    return [*lines, {**ollama_line({"content": ""}), **ollama_end(answer)}]


def ollama_whole(answer: Answer) -> dict[str, Any]:
    """
    @return: a chat's whole answer.
    """
    message: dict[str, Any] = {"content": answer.text}
    if answer.thinking:
        message["thinking"] = answer.thinking
    if answer.calls:
        message["tool_calls"] = ollama_calls(answer)
    return {**ollama_line(message), **ollama_end(answer)}


def ollama_calls(answer: Answer) -> list[dict[str, Any]]:
    """
    @return: its calls.
    """
    return [
        {"id": id, "function": {"index": index, "name": name, "arguments": arguments}}
        for index, (id, name, arguments) in enumerate(answer.calls)
    ]


def ollama_line(message: dict[str, Any]) -> dict[str, Any]:
    """
    @return: a line of a chat.
    """
    return {
        "model": "served",
        "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", **message},
        "done": False,
    }


def ollama_end(answer: Answer) -> dict[str, Any]:
    """
    @return: what the last line says more.
    """
    return {
        "done": True,
        "done_reason": "length" if answer.finish == "length" else "stop",
        "prompt_eval_count": answer.read,
        "eval_count": answer.written,
    }


def ollama_heard(lines: list[dict[str, Any]]) -> Answer:
    """
    @return: what lines of a chat, or one whole answer, say.
    """
    answer = Answer()
    for line in lines:
        message = line["message"]
        answer.text += message["content"]
        answer.thinking += message.get("thinking", "")
        answer.calls += [
            (call["id"], call["function"]["name"], call["function"]["arguments"])
            for call in message.get("tool_calls", [])
        ]
    *others, last = lines
    assert last["done"] is True and not any(line["done"] for line in others)
    answer.finish = "tool_calls" if answer.calls else last["done_reason"]
    answer.read, answer.written = last["prompt_eval_count"], last["eval_count"]
    return answer


# How OpenAI says it.


def openai_conversation(inventor: Inventor) -> list[dict[str, Any]]:
    """
    @return: messages with everything that messages may have.
    """
    messages: list[dict[str, Any]] = []
    for message in ollama_conversation(inventor):
        said: dict[str, Any] = {"role": message["role"], "content": message["content"]}
        if "images" in message:
            said["content"] = [
                {"type": "text", "text": message["content"]},
                *(openai_medium(data) for data in message["images"]),
            ]
        if "thinking" in message:
            said["reasoning_content"] = said["reasoning"] = message["thinking"]
        if "tool_calls" in message:
            said["tool_calls"] = [
                openai_call(call["id"], call["function"]["name"], call["function"]["arguments"])
                for call in message["tool_calls"]
            ]
        if message["role"] == "tool":
            said.update(tool_call_id=message["tool_call_id"], name=message["tool_name"])
        messages.append(said)
    return messages


def openai_medium(data: str) -> dict[str, Any]:
    """
    @return: an image or a sound as a part of a message.
    """
    if data.startswith("UklG"):
        return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    kind = "png" if data.startswith("iVBOR") else "jpeg"
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{data}"}}


def openai_call(id: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """
    @return: a call in a whole message.
    """
    text = json.dumps(arguments, ensure_ascii=False)
    return {"id": id, "type": "function", "function": {"name": name, "arguments": text}}


def openai_settings(inventor: Inventor) -> dict[str, Any]:
    """
    @return: what chats and completions alike may say beside the prompt.
    """
    schema = {"name": "response", "schema": SCHEMA, "strict": True}
    form = inventor.random.choice(
        ({"type": "json_object"}, {"type": "json_schema", "json_schema": schema})
    )
    penalty = inventor.random.choice(({}, {"repeat_penalty": 1.1, "repetition_penalty": 1.1}))
    stream = inventor.random.choice(
        ({"stream": False}, {"stream": True, "stream_options": {"include_usage": True}})
    )
    some = inventor.maybe(response_format=form, max_tokens=100)
    return {**inventor.options(), **penalty, **some, **stream}


def openai_events(inventor: Inventor, answer: Answer) -> list[dict[str, Any]]:
    """
    @return: the events of a chat completion that say this, cut anywhere, with
        the fragments of its calls all mixed.
    """
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    name = inventor.random.choice(("reasoning_content", "reasoning"))
    deltas += [{name: piece} for piece in inventor.pieces(answer.thinking)]
    deltas += [{"content": piece} for piece in inventor.pieces(answer.text)]
    rest = []
    for index, (id, called, arguments) in enumerate(answer.calls):
        text = json.dumps(arguments)
        begun = {"id": id, "type": "function", "function": {"name": called, "arguments": ""}}
        deltas.append({"tool_calls": [{"index": index, **begun}]})
        rest.append((index, list(inventor.pieces(text))))
    while rest:
        index, pieces = inventor.random.choice(rest)
        fragment = {"index": index, "function": {"arguments": pieces.pop(0)}}
        deltas.append({"tool_calls": [fragment]})
        rest = [(index, pieces) for index, pieces in rest if pieces]
    return [
        *(openai_event([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas),
        openai_event([{"index": 0, "delta": {}, "finish_reason": answer.finish}]),
        {**openai_event([]), "usage": openai_usage(answer)},
    ]


def openai_event(choices: list[dict[str, Any]]) -> dict[str, Any]:
    """
    @return: an event of a chat completion.
    """
    return {
        "id": "chatcmpl-7",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "served",
        "choices": choices,
    }


def openai_whole(answer: Answer) -> dict[str, Any]:
    """
    @return: a whole chat completion.
    """
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.thinking:
        message["reasoning_content"] = answer.thinking
    if answer.calls:
        message["tool_calls"] = [openai_call(*call) for call in answer.calls]
    choice = {"index": 0, "message": message, "finish_reason": answer.finish}
    return {
        **openai_event([choice]),
        "object": "chat.completion",
        "usage": openai_usage(answer),
    }


def openai_usage(answer: Answer) -> dict[str, int]:
    """
    @return: how many tokens there were.
    """
    return {
        "prompt_tokens": answer.read,
        "completion_tokens": answer.written,
        "total_tokens": answer.read + answer.written,
    }


def openai_heard(events: list[dict[str, Any]]) -> Answer:
    """
    @return: what the events of a chat completion, or a whole one, say.
    """
    answer = Answer()
    calls: dict[int, dict[str, str]] = {}
    for event in events:
        for choice in event["choices"]:
            said = choice.get("delta") or choice.get("message") or {}
            answer.text += said.get("content") or ""
            answer.thinking += said.get("reasoning_content") or ""
            for position, fragment in enumerate(said.get("tool_calls", [])):
                call = calls.setdefault(
                    fragment.get("index", position), {"id": "", "name": "", "arguments": ""}
                )
                call["id"] += fragment.get("id", "")
                for key, text in fragment["function"].items():
                    call[key] += text
            answer.finish = choice["finish_reason"] or ""
    answer.calls = [
        (call["id"], call["name"], json.loads(call["arguments"]))
        for _, call in sorted(calls.items())
    ]
    usage = events[-1]["usage"]
    answer.read, answer.written = usage["prompt_tokens"], usage["completion_tokens"]
    return answer


# How the others say it.


def accumulated(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    Read the blocks of Anthropic's stream as clients do, who insist on their
    order.

    @return: the blocks, with C{input} decoded, or L{None} where it is half.
    """
    blocks: list[dict[str, Any]] = []
    is_open = False
    for event in events:
        kind = event["type"]
        assert is_open is (kind != "content_block_start"), event
        if kind == "content_block_start":
            assert event["index"] == len(blocks), event
            blocks.append({**event["content_block"], "written": ""})
            is_open = True
            continue
        assert event["index"] == len(blocks) - 1, event
        block = blocks[-1]
        if kind == "content_block_stop":
            is_open = False
            if block["type"] == "tool_use":
                block["input"] = _decoded(block["written"])
            del block["written"]
            continue
        delta = event["delta"]
        expected, key = {
            "text": ("text_delta", "text"),
            "thinking": ("thinking_delta", "thinking"),
            "tool_use": ("input_json_delta", "written"),
        }[block["type"]]
        if delta["type"] == "signature_delta":
            assert block["type"] == "thinking", event
            block["signature"] = delta["signature"]
        else:
            assert delta["type"] == expected, event
            block[key] += delta["partial_json" if key == "written" else key]
    assert not is_open
    return blocks


def _decoded(arguments: str) -> Any:
    try:
        return json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return None


def anthropic_heard(events: list[dict[str, Any]]) -> Answer:
    """
    @return: what the events of Anthropic's say, or one whole message.
    """
    if events[0]["type"] == "message":
        [end] = events
        blocks, reason = end["content"], end["stop_reason"]
    else:
        start, *middle, end, stop = events
        assert (start["type"], stop["type"]) == ("message_start", "message_stop")
        blocks, reason = accumulated(middle), end["delta"]["stop_reason"]
    answer = Answer()
    for block in blocks:
        answer.text += block.get("text", "")
        answer.thinking += block.get("thinking", "")
        if block["type"] == "tool_use":
            answer.calls.append((block["id"], block["name"], block["input"]))
    answer.finish = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls"}[reason]
    answer.read, answer.written = end["usage"]["input_tokens"], end["usage"]["output_tokens"]
    return answer


def responses_heard(events: list[dict[str, Any]]) -> Answer:
    """
    @return: what the last event of the Responses API says, or one whole
        response.
    """
    response = events[-1].get("response", events[-1])
    answer = Answer()
    for item in response["output"]:
        if item["type"] == "function_call":
            arguments = json.loads(item["arguments"])
            answer.calls.append((item["call_id"], item["name"], arguments))
        for part in item.get("content") or ():
            if part["type"] == "reasoning_text":
                answer.thinking += part["text"]
            else:
                answer.text += part["text"]
    finish = "tool_calls" if answer.calls else "stop"
    answer.finish = finish if response["status"] == "completed" else "length"
    answer.read = response["usage"]["input_tokens"]
    answer.written = response["usage"]["output_tokens"]
    return answer
