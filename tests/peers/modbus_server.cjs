// A Modbus RTU line with npm `modbus-serial` as all of its units.
//
//   node modbus_server.cjs PORT
//
// Reads one JSON object a line on stdin and answers each with {"done": true}:
//   {"input": {"1:0": 215}, "holding": {"1:1": 210}, "coil": {"1:0": true}}   set what "unit:address" holds
//   {"mode": "clean" | "glitch" | "noise" | "garbage" | "wrong_unit" | "deaf"}  how answers leave
//   {"deaf": [2]}          units that do not answer
//   {"delay": 300}         milliseconds that an answer waits
//   {"once": "noise"}      a mode for the next answer only
//   {"busy": 2}            so many next questions are refused as "busy"
//   {"stubborn": true}     take no value, but acknowledge it
//   {"send": "00ff13"}     bytes on the line, now, without being asked
// Writes {"ready": true} when the port is open, and {"wrote": [unit, table, address, value]} for each write.
// What is not set is an illegal address.
"use strict";
const { ServerSerial } = require("modbus-serial");

const tables = { input: new Map(), holding: new Map(), coil: new Map(), discrete: new Map() };
const line = { mode: "clean", once: null, deaf: [], delay: 0, busy: 0, stubborn: false };
const say = (object) => process.stdout.write(JSON.stringify(object) + "\n");

function get(table, address, unit) {
    if (line.busy > 0) { line.busy -= 1; throw { modbusErrorCode: 6 }; }
    const value = tables[table].get(`${unit}:${address}`);
    if (value === undefined) throw { modbusErrorCode: 2 };
    return value;
}

function set(table, address, value, unit) {
    get(table, address, unit);
    if (!line.stubborn) tables[table].set(`${unit}:${address}`, value);
    say({ wrote: [unit, table, address, value] });
}

const units = {
    getInputRegister: (address, unit) => get("input", address, unit),
    getHoldingRegister: (address, unit) => get("holding", address, unit),
    getCoil: (address, unit) => get("coil", address, unit),
    getDiscreteInput: (address, unit) => get("discrete", address, unit),
    setRegister: (address, value, unit) => set("holding", address, value, unit),
    setCoil: (address, value, unit) => set("coil", address, value, unit),
};

const spoil = {
    clean: (answer) => answer,
    glitch: (answer) => Buffer.concat([Buffer.from([0]), answer]),
    noise: (answer) => Buffer.concat([Buffer.from("00ff01830413", "hex"), answer.fill(0x55, answer.length - 2)]),
    garbage: () => Buffer.from("portvakt? never heard of it\r\n"),
    wrong_unit: (answer) => { answer[0] ^= 0x40; return sealed(answer); },
    deaf: () => null,
};

function sealed(answer) {
    const crc16 = require("modbus-serial/utils/crc16");
    answer.writeUInt16LE(crc16(answer.subarray(0, -2)), answer.length - 2);
    return answer;
}

const portResponse = {
    write(answer) {
        if (line.deaf.includes(answer[0])) return;
        const bytes = spoil[line.once ?? line.mode](answer);
        line.once = null;
        if (bytes) setTimeout(() => server.getPort().write(bytes), line.delay);
    },
};
const server = new ServerSerial(units, { port: process.argv[2], portResponse, interval: 5 });
server.on("initialized", () => say({ ready: true }));
server.getPort().on("error", (error) => { console.error(error.message); process.exit(1); });

require("node:readline").createInterface({ input: process.stdin }).on("line", (text) => {
    for (const [key, value] of Object.entries(JSON.parse(text))) {
        if (key in tables) for (const [where, held] of Object.entries(value)) tables[key].set(where, held);
        else if (key === "send") server.getPort().write(Buffer.from(value, "hex"));
        else line[key] = value;
    }
    say({ done: true });
}).on("close", () => process.exit(0));
