"""Lines of JSON in, lines of JSON out, and how values look in them.

A request is {"id": n, "command": name, ...}, its answer {"id": n, "result": ...} or
{"id": n, "error": {"name": ..., "message": ...}}; a line {"ready": ...} comes first. The values of a
row are an array in the order of the columns; every value is null or a text, so that no reader rounds
it: whole numbers and decimals in digits, floats as the double they are (NaN, Infinity, -Infinity),
booleans as true and false, dates as days and timestamps as microseconds since 1970, binaries in hex.
A struct is an array of its fields, a list an array, a map an array of [key, value]. `null` stands for
a null struct, list or map as well. Types are those of Delta's schema JSON.
"""

import json
import os
import sys
import traceback


def serve(commands, ready):
    """Answers until standard input ends. Whatever else prints, prints to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(message):
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    answer({"ready": ready()})
    for line in sys.stdin:
        request = json.loads(line)
        number = request.pop("id")
        command = request.pop("command")
        try:
            answer({"id": number, "result": commands[command](**request)})
        except Exception as error:  # Whatever it was, the one who asked hears of it.
            traceback.print_exc()
            # The JVM's stack is in the log.
            message = str(error).split("\n\tat ")[0]
            answer(
                {
                    "id": number,
                    "error": {"name": type(error).__name__, "message": message},
                }
            )
