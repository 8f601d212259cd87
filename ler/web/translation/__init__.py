# -*- test-case-name: ler.test.test_translation -*-
"""
Requests in another dialect than their engine's, and the way back of the
answers.

A translation works on JSON values alone: bytes and frames are for
L{ler.web.dialects}, waiting and sending for L{ler.web.relay}.  What one is,
L{contract<ler.web.translation.contract>} says.

OpenAI's chat completions are the hub.  Clients of L{ollama
<ler.web.translation.ollama>}, of Anthropic's Messages API
(L{anthropic<ler.web.translation.anthropic>}) and of OpenAI's Responses API
(L{responses<ler.web.translation.responses>}) are translated into them; they, and
what is like them, into what an Ollama takes
(L{to_ollama<ler.web.translation.to_ollama>}).  What no package translates at one
stroke takes two, with L{chain<ler.web.translation.chain>}.

All of them take JSON apart with L{fields<ler.web.translation.fields>}.  How one
writes for the hub is in L{chat_requests<ler.web.translation.chat_requests>}, how
one reads what it says in L{chat_answers<ler.web.translation.chat_answers>} and
L{tool_calls<ler.web.translation.tool_calls>}.
"""
