// A dimmable lamp on hap-nodejs, advertised by its ciao: a foreign peer of the HomeKit driver.
//
//   node hap_lamp.cjs '{"name": "Lamp", "bind": "eth0", "id": "AA:BB:CC:00:11:22", "code": "031-45-154", "state": "/tmp/x"}'
//
// Out: one line of JSON when it is ready, and one for each value that it is set to. In: lines of JSON,
// {"on": true} or {"brightness": 30}, are changes made at the lamp itself.
"use strict";

const readline = require("node:readline");
const hap = require("hap-nodejs");

const asked = JSON.parse(process.argv[2]);
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

hap.HAPStorage.setCustomStoragePath(asked.state);
const lamp = new hap.Accessory(asked.name, hap.uuid.generate(asked.id));
lamp.getService(hap.Service.AccessoryInformation)
  .setCharacteristic(hap.Characteristic.Manufacturer, "Foreign")
  .setCharacteristic(hap.Characteristic.Model, asked.name);
const bulb = lamp.addService(hap.Service.Lightbulb, asked.name);
bulb.getCharacteristic(hap.Characteristic.On).on("set", (value, done) => { say({ on: value }); done(); });
bulb.getCharacteristic(hap.Characteristic.Brightness).on("set", (value, done) => { say({ brightness: value }); done(); });

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { on, brightness } = JSON.parse(line);
  if (on !== undefined) bulb.updateCharacteristic(hap.Characteristic.On, on);
  if (brightness !== undefined) bulb.updateCharacteristic(hap.Characteristic.Brightness, brightness);
});

lamp.on("advertised", () => say({ ready: true }));
lamp.publish({
  username: asked.id,
  pincode: asked.code,
  category: hap.Categories.LIGHTBULB,
  bind: asked.bind,
  advertiser: hap.MDNSAdvertiser.CIAO,
});
