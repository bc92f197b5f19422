import { test } from "uvu";
import * as assert from "uvu/assert";
import { noGrad } from "../../src/autograd/tape.ts";
import { assertResults, hasFixtures, readFixture } from "../support/fixtures.ts";
import { checkDevice, testGpu } from "../support/gpu.ts";
import { loadNetwork, runStep, runTrajectory } from "./network_runners.ts";
import { mapOf, planes, runBlock } from "./runners.ts";
import type { Collected } from "./runners.ts";

const BLOCK_FILES = ["aspp", "ppm", "self_attention_block", "memory_forward", "memory_forward_2", "memory_forward_3"];
const NETWORKS: Readonly<Record<string, readonly string[]>> = {
  bottleneck_two_slots: ["traj_inputs.safetensors"],
  r18_aspp: ["traj_inputs.safetensors", "traj_inputs_2.safetensors"],
  r18_ppm_hard: ["traj_inputs.safetensors"],
};

function assertFile(path: string, results: Collected): void {
  const fixture = readFixture(path);
  assertResults(path, fixture, fixture.cases[0], results);
}

if (hasFixtures("modules and networks of the official code")) {
  for (const file of BLOCK_FILES) {
    const fixture = readFixture(`mcibi/${file}.safetensors`);
    for (const item of fixture.cases) {
      test(`${file} ${item.id}: ${item.note ?? ""}`, async () => {
        const gpu = await testGpu();
        if (item.expected_error) {
          const error = await runBlock(gpu, fixture, item).then(
            () => null,
            (reason: Error) => reason,
          );
          const [start] = item.expected_error.replace("ValueError: ", "").split(", got");
          assert.match(error?.message ?? "no error", start);
          return;
        }
        assertResults(`${file} ${item.id}`, fixture, item, await runBlock(gpu, fixture, item));
      });
    }
  }

  for (const [network, inputs] of Object.entries(NETWORKS)) {
    const folder = `network/${network}`;
    test(`${network}: one training step, every intermediate value and gradient`, async () => {
      const results = await runStep(await testGpu(), folder);
      assertFile(`${folder}/step.safetensors`, results);
      assertFile(`${folder}/step_grads.safetensors`, results);
      await checkDevice();
    });

    test(`${network}: five iterations of SGD`, async () => {
      const gpu = await testGpu();
      const before = gpu.memory.live;
      const results = await runTrajectory(gpu, folder, inputs);
      assert.is(gpu.memory.live, before, "bytes still allocated after everything was disposed");
      assertFile(`${folder}/traj.safetensors`, results);
      assertFile(`${folder}/traj_final.safetensors`, results);
    });

    test(`${network}: evaluation mode`, async () => {
      const gpu = await testGpu();
      using _ = gpu.arena();
      const { model } = loadNetwork(gpu, folder);
      model.eval();
      const fixture = readFixture(`${folder}/inference.safetensors`);
      const [item] = fixture.cases;
      const image = mapOf(gpu, fixture, item, "image");
      const output = noGrad(() => model.forward(image));
      const only = { ...item, expected: { "whole.logits": item.expected["whole.logits"] } };
      assertResults(network, fixture, only, new Map([["whole.logits", await planes(output.stage2)]]));
      assert.is(output.auxiliary, null);
      model.dispose();
    });
  }
}

test.run();
